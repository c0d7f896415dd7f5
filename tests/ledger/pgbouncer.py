"""A real PgBouncer."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from programs import Postgres, fetch
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

    def _prepare(self) -> None:
        super()._prepare()
        # It refuses to be root's.
        user = "user = nobody\n" if os.geteuid() == 0 else ""
        (self.directory / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={self._server.host} port={self._server.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = {self.host}\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = any\npool_mode = {self._mode}\n"
            f"{user}ignore_startup_parameters = options\ndefault_pool_size = 5\n"
        )

    def _command(self) -> Sequence[str | Path]:
        return (self._program, self.directory / "pgbouncer.ini")

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), ANSWER_SECONDS):
                return True
        except OSError:
            return False
