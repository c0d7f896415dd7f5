"""Alertmanager."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from programs.find import find
from programs.server import HttpServer


class Alertmanager(HttpServer):
    """An Alertmanager that keeps its data in `directory`; alone unless it is given peers.

    `cluster` is the host:port it talks to its peers on, empty for none; `peers` are theirs.
    `program` is another one than is found. Raises MissingProgramError.
    """

    name: ClassVar[str] = "alertmanager"

    def __init__(
        self,
        directory: Path,
        config: Path,
        *,
        cluster: str = "",
        peers: Sequence[str] = (),
        args: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        super().__init__(directory)
        self.config = config.absolute()
        self._cluster = cluster
        self._peers = tuple(peers)
        self._args = tuple(args)
        self._program = program or find(self.name)

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--config.file={self.config}",
            f"--web.listen-address={self.host}:{self.port}",
            f"--storage.path={self.directory / 'data'}",
            f"--cluster.listen-address={self._cluster}",
            *(f"--cluster.peer={peer}" for peer in self._peers),
            "--log.level=warn",
            *self._args,
        )
