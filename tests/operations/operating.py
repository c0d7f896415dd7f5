"""Runs an operation as people do: as a process, with an environment of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from exporter.__main__ import main
from exporter.ledger.store import StoreOptions
from programs import find

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    said: str
    complaint: str

    @property
    def last(self) -> str:
        """The line that it ended with."""
        return self.said.rstrip().rpartition("\n")[2]


def path() -> str:
    """With pg_dump and psql of the Postgres that the tests use."""
    return f"{find('postgres').parent}:{os.environ['PATH']}"


def environment(options: StoreOptions) -> dict[str, str]:
    """The variables that say where a store is."""
    if options.url is not None:
        return {"DATABASE_URL": options.url}
    return {"LEDGER_FILE": str(options.file)}


async def operate(directory: Path, *words: str, **variables: str) -> Ended:
    """Run `python -m exporter …`, which must leave no traceback."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *words,
        env={"PATH": path(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **variables},
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            said, complaint = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    ended = Ended(process.returncode, said.decode(), complaint.decode())
    assert "Traceback" not in ended.complaint, ended.complaint
    return ended


async def operate_here(words: tuple[str, ...], variables: Mapping[str, str]) -> Ended:
    """The same command in this process, which takes a tenth of the time of one of its own.

    How it begins and ends as a process is for `operate` to show.
    """
    # It would change the log of all tests that follow.
    with patch("exporter.logs.quiet"), patch.dict(os.environ, variables):
        ended = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return Ended(ended.exit_code, ended.stdout, ended.stderr)
