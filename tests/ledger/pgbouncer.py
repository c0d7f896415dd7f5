"""A real PgBouncer."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from programs import Postgres, child, fetch
from programs.server import ANSWER_SECONDS, Server


class PgBouncer(Server):
    """One that passes on whoever comes as the superuser of a server; `mode` is its pool_mode."""

    name: ClassVar[str] = "pgbouncer"
    scheme: ClassVar[str] = "postgresql"

    def __init__(self, directory: Path, server: Postgres, mode: str) -> None:
        super().__init__(directory)
        self._server = server
        self._mode = mode
        self._program = fetch(["pgbouncer"]).program("pgbouncer")

        # It refuses to be root's. If it became another user by itself, it would outlive us.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._settings = TemporaryDirectory(prefix="pgbouncer-")
        Path(self._settings.name).chmod(0o755)

    def close(self) -> None:
        """Stop it, and remove its settings."""
        super().close()
        self._settings.cleanup()

    def _prepare(self) -> None:
        super()._prepare()
        self._ini.write_text(
            f"[databases]\n* = host={self._server.host} port={self._server.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = {self.host}\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = any\npool_mode = {self._mode}\n"
            "ignore_startup_parameters = options\ndefault_pool_size = 5\n"
        )

    @property
    def _ini(self) -> Path:
        return Path(self._settings.name) / "pgbouncer.ini"

    def _command(self) -> Sequence[str | Path]:
        return (self._program, self._ini)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return child(
            self._command(),
            user=self._user,
            cwd=self._ini.parent,
            log=self.log,
            death_signal=self.death_signal,
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), ANSWER_SECONDS):
                return True
        except OSError:
            return False
