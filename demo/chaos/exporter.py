"""An exporter that can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from demo.stack import ROOT
from programs import child
from programs.server import ANSWER_SECONDS, Server, request

# What this process was given must not lead an exporter elsewhere.
_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")


class Exporter(Server):
    """`python -m exporter serve` with a config and settings, on a port that others know before."""

    name: ClassVar[str] = "exporter"

    def __init__(
        self, directory: Path, config: Path, port: int, settings: Mapping[str, str]
    ) -> None:
        super().__init__(directory)
        self._port = port
        self._config = config
        self._settings = settings

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "exporter", "serve"]

    def _spawn(self) -> subprocess.Popen[bytes]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        settings = {
            "MONITORING_CONFIG": str(self._config),
            "HOST": self.host,
            "PORT": str(self.port),
            **self._settings,
        }
        return child(self._command(), cwd=ROOT, env={**inherited, **settings}, log=self.log)

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/status", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200
