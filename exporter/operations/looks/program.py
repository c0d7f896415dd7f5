"""Runs another program for a checklist, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass


class NotRunError(Exception):
    """A program that is not there, or does not end; says which."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its code, and what it said on both."""

    code: int
    said: str
    complaint: str


async def run(words: Sequence[str], seconds: float) -> Ended:
    """Run it to its end. Raises NotRunError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise NotRunError(f"{words[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(seconds):
            said, complaint = await process.communicate()
    except TimeoutError:
        raise NotRunError(f"{words[0]} has not ended in {seconds:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(
        process.returncode, said.decode(errors="replace"), complaint.decode(errors="replace")
    )
