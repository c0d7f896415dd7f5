"""A person's shell: the runbook's commands as they are printed, for the servers that are here."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_PATIENCE = 60.0
_HEEDED = 5.0
_BYTES = 65536
_BASH = ("bash", "--noprofile", "--norc", "-o", "pipefail", "-c")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Here:
    """What is called otherwise here: all that a printed command is changed by.

    `hosts` are the places where curl finds a host and port. `words` stand in the place of others;
    the first are replaced first.
    """

    hosts: Mapping[str, str]
    words: Mapping[str, str]

    def applied(self, printed: str, placeholders: Mapping[str, str]) -> str:
        """A command with its words replaced and its placeholders filled in."""
        for name, value in {**placeholders, **self.words}.items():
            printed = printed.replace(name, value)
        return printed

    def curlrc(self, authority: Path) -> str:
        """The same for curl, whose commands stay as they are."""
        connect = (f'connect-to = "{host}:{here}"' for host, here in self.hosts.items())
        return "\n".join([f'cacert = "{authority}"', *connect, ""])


@dataclass(frozen=True, slots=True)
class Said:
    """What a command has printed, and how it has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs commands by bash in a directory; a pipe fails with any of its commands."""

    directory: Path
    environment: Mapping[str, str]
    here: Here

    async def run(
        self,
        printed: str,
        placeholders: Mapping[str, str] = _NOTHING,
        *,
        typed: str = "",
        code: int | None = 0,
        variables: Mapping[str, str] = _NOTHING,
    ) -> Said:
        """What a command prints that ends with `code`, None being any.

        `typed` is its standard input.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(*_BASH, self.here.applied(printed, placeholders)),
            cwd=self.directory,
            env={**self.environment, **variables},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                out, err = await process.communicate(typed.encode())
        finally:
            _end(process, signal.SIGKILL)
        said = Said(process.returncode or 0, out.decode(), err.decode())
        assert code in (said.code, None), f"{printed}ended with {said.code}:\n{said.out}{said.err}"
        return said

    async def watch(self, printed: str, *until: bytes, typed: bytes = b"") -> str:
        """What a command shows on a terminal until it has shown all of `until`, and Ctrl-C ends it.

        `typed` is written once the first of them is there.
        """
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(*_BASH, self.here.applied(printed, _NOTHING)),
            cwd=self.directory,
            env={**self.environment, "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            shown = await _shown(ours, until, typed)
        finally:
            _end(process, signal.SIGINT)
            os.close(ours)
            await _gone(process)
        return shown.decode()


async def _shown(terminal: int, until: tuple[bytes, ...], typed: bytes) -> bytes:
    """What comes from a terminal until all of it has come. Raises TimeoutError."""
    os.set_blocking(terminal, False)
    loop, came, shown = asyncio.get_running_loop(), asyncio.Event(), bytearray()
    loop.add_reader(terminal, came.set)
    try:
        async with asyncio.timeout(_PATIENCE):
            while not all(text in shown for text in until):
                await came.wait()
                came.clear()
                try:
                    shown += os.read(terminal, _BYTES)
                except BlockingIOError:
                    continue
                except OSError as error:  # nobody is at its other end any more
                    raise AssertionError(f"ended after {bytes(shown)!r}") from error
                if typed and until[0] in shown:
                    os.write(terminal, typed)
                    typed = b""
    except TimeoutError:
        raise AssertionError(f"{until!r} is not in {bytes(shown)!r}") from None
    finally:
        loop.remove_reader(terminal)
    return bytes(shown)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait until a command has ended, by force if it does not heed Ctrl-C."""
    try:
        async with asyncio.timeout(_HEEDED):
            await process.wait()
    except TimeoutError:
        _end(process, signal.SIGKILL)
        await process.wait()


def _end(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the command and what it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
