"""Redis."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from programs.find import find
from programs.server import ANSWER_SECONDS, Server


class Redis(Server):
    """A Redis that writes nothing to disk; `args` are added to its command line.

    `program` is another one than is found. Raises MissingProgramError.
    """

    name: ClassVar[str] = "redis"
    scheme: ClassVar[str] = "redis"

    def __init__(
        self, directory: Path, *, args: Sequence[str] = (), program: Path | None = None
    ) -> None:
        super().__init__(directory)
        self._args = tuple(args)
        self._program = program or find("redis-server")

    def _command(self) -> Sequence[str | Path]:
        place = ("--bind", self.host, "--port", str(self.port), "--dir", self.directory)
        memory_only = ("--save", "", "--appendonly", "no", "--daemonize", "no")
        return (self._program, *place, *memory_only, *self._args)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), ANSWER_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        # A Redis that wants a password refuses, and is ready.
        return answer.startswith((b"+PONG", b"-NOAUTH"))
