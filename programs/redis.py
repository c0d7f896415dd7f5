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


class Sentinel(Redis):
    """A Sentinel that watches one master.

    `quorum` Sentinels have to agree that it is down, which each believes after `down_after`
    seconds. Raises MissingProgramError.
    """

    name: ClassVar[str] = "sentinel"

    def __init__(
        self,
        directory: Path,
        master: Redis,
        *,
        master_name: str,
        quorum: int = 1,
        down_after: float = 30,
        args: Sequence[str] = (),
    ) -> None:
        super().__init__(directory, args=args)
        self._watched = (
            f"sentinel monitor {master_name} {master.host} {master.port} {quorum}\n"
            f"sentinel down-after-milliseconds {master_name} {round(down_after * 1000)}\n"
        )

    @property
    def _file(self) -> Path:
        return self.directory / "sentinel.conf"

    def _prepare(self) -> None:
        super()._prepare()
        # It keeps what it learns in this file, and writes it anew.
        if not self._file.exists():
            self._file.write_text(self._watched)

    def _command(self) -> Sequence[str | Path]:
        program, *settings = super()._command()
        return (program, self._file, *settings, "--sentinel")
