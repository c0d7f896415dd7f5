"""A target whose answers are late by known times: what it did, to be compared with what is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trustme

from bench.ours import ROOT
from programs import child
from programs.process import HOST, free_port
from programs.server import ANSWER_SECONDS, Server, request


@dataclass(frozen=True, slots=True)
class Truth:
    """What the server knows of one answer: its path's first part, unix times, phases in seconds.

    `began` is when the client's first bytes arrived, `ended` when the answer's last were sent.
    """

    target: str
    began: float
    ended: float
    tls: float
    processing: float
    transfer: float

    @property
    def duration(self) -> float:
        """From the client's first bytes to the answer's last."""
        return self.ended - self.began


class DelayingServer(Server):
    """The server, as a process of its own; its certificate is for 127.0.0.1."""

    name: ClassVar[str] = "delaying server"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._secure_port = free_port()

    def urls(self, plain: int, secure: int) -> tuple[str, ...]:
        """So many base URLs by HTTP, then so many by HTTPS, each to be known by its path."""
        return (
            *(f"{self.url}/{number}" for number in range(plain)),
            *(
                f"https://{self.host}:{self._secure_port}/{number}"
                for number in range(plain, plain + secure)
            ),
        )

    @property
    def ca_file(self) -> Path:
        """The authority that signed its certificate."""
        return self.directory / "ca.pem"

    @property
    def truths_file(self) -> Path:
        """One line an answer."""
        return self.directory / "truths"

    def position(self) -> int:
        """Where the notes end now."""
        return self.truths_file.stat().st_size

    def truths(self, since: int) -> list[Truth]:
        """What it has noted after a position."""
        with self.truths_file.open("rb") as file:
            file.seek(since)
            lines = file.read().decode().splitlines()
        rows = [line.split() for line in lines]
        return [Truth(target, *map(float, numbers)) for target, *numbers in rows]

    def _prepare(self) -> None:
        super()._prepare()
        authority = trustme.CA()
        leaf = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(self.ca_file)
        leaf.private_key_and_cert_chain_pem.write_to_path(self.directory / "leaf.pem")
        self.truths_file.touch()

    def _command(self) -> Sequence[str | Path]:
        ports = (str(self.port), str(self._secure_port))
        return (sys.executable, "-m", "bench.delaying", *ports, self.directory)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return child(self._command(), cwd=ROOT, log=self.log)

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/ready", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200
