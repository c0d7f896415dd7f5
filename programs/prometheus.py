"""Prometheus."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from programs.find import find
from programs.server import HttpServer


class Prometheus(HttpServer):
    """A Prometheus that keeps its data in `directory` and may be told to reload.

    `retention` is a duration as Prometheus writes it. `program` is another one than is found.
    Raises MissingProgramError.
    """

    name: ClassVar[str] = "prometheus"

    def __init__(
        self,
        directory: Path,
        config: Path,
        *,
        retention: str = "1d",
        args: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        super().__init__(directory)
        self.config = config.absolute()
        self._retention = retention
        self._args = tuple(args)
        self._program = program or find(self.name)

    @property
    def data(self) -> Path:
        """The directory of its time series."""
        return self.directory / "data"

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--config.file={self.config}",
            f"--web.listen-address={self.host}:{self.port}",
            f"--storage.tsdb.path={self.data}",
            f"--storage.tsdb.retention.time={self._retention}",
            "--web.enable-lifecycle",
            "--log.level=warn",
            *self._args,
        )
