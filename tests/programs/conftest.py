"""Directories and machines for the tests of programs/."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.errors import FetchError
from programs.sources import distribution
from programs.system import System
from programs.table import PROGRAMS

OURS = {name for program in PROGRAMS.values() for name in program.files}


@pytest.fixture(scope="session")
def tools() -> Iterator[Path]:
    """Everything on the PATH but the programs that are looked for."""
    with tempfile.TemporaryDirectory(prefix="programs-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        entries = os.environ["PATH"].split(os.pathsep)
        for tool in (tool for entry in entries for tool in Path(entry).glob("*")):
            link = directory / tool.name
            if tool.name not in OURS and not link.is_symlink():
                link.symlink_to(tool)
        yield directory


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter, as pytest's own, for root, is not."""
    with tempfile.TemporaryDirectory(prefix="programs-test-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
def bare(place: Path, tools: Path) -> System:
    """This machine, as if none of the programs were installed, with an empty cache.

    What a test puts in `place / "installed"` is on the PATH.
    """
    path = os.pathsep.join((str(place / "installed"), str(tools)))
    kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    environment = {**kept, "PATH": path, "MONITORING_CACHE": str(place / "cache")}
    return System(environment=environment, postgresql=place / "none")


@pytest.fixture
def debian() -> None:
    """Skips what only Debian and Ubuntu can do."""
    try:
        distribution(System())
    except FetchError as error:
        pytest.skip(str(error))
