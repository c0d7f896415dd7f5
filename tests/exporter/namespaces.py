"""Networks of a test's own: this one, and an exporter's that hangs on it by a cable.

The test's thread is moved into a new network namespace (network_namespaces(7)), where nothing of
the machine's is seen or changed. The exporter's namespace has two cables to it: one for whoever
scrapes it, and the uplink, by which it reaches everything else.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
GATEWAY, UPLINK = "10.77.0.1", "10.77.0.2"
SCRAPER, SCRAPED = "10.78.0.1", "10.78.0.2"


@dataclass(frozen=True)
class Cabled:
    """The exporter's network, by the process that holds it."""

    pid: int

    def command(self, *command: str) -> list[str]:
        """A command that runs in it."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]

    def unplug(self) -> None:
        """Take the carrier away from the uplink, as when a cable is pulled at the other end."""
        ip("link", "set", "gateway", "down")

    def plug(self) -> None:
        """Plug it in again."""
        ip("link", "set", "gateway", "up")


@contextlib.contextmanager
def cabled(directory: Path) -> Iterator[Cabled]:
    """A network of its own for the calling thread, with an exporter's on a cable.

    Skips the test where the kernel grants no namespaces.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as own:  # noqa: PTH123 - its descriptor is what is wanted
        if libc.unshare(_NEW_NETWORK) != 0:
            why = os.strerror(ctypes.get_errno())
            pytest.skip(f"no network namespace ({why}): run this as root")
        try:
            ip("link", "set", "lo", "up")
            with _neighbour(directory) as pid:
                _lay_cables(pid)
                yield Cabled(pid)
        finally:
            assert libc.setns(own.fileno(), _NEW_NETWORK) == 0


def ip(*arguments: str) -> None:
    """Run ip(8) in the test's network."""
    _run("ip", *arguments)


@contextlib.contextmanager
def _neighbour(directory: Path) -> Iterator[int]:
    """A process that holds another network."""
    waits = "import sys; print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        ["unshare", "--net", "--kill-child", sys.executable, "-c", waits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.communicate()


def _lay_cables(pid: int) -> None:
    there = Cabled(pid)
    for here, at, end, far in (
        ("gateway", GATEWAY, "uplink", UPLINK),
        ("scraper", SCRAPER, "scraped", SCRAPED),
    ):
        ip("link", "add", here, "type", "veth", "peer", "name", end, "netns", str(pid))
        ip("address", "add", f"{at}/24", "dev", here)
        ip("link", "set", here, "up")
        _run(*there.command("ip", "address", "add", f"{far}/24", "dev", end))
        _run(*there.command("ip", "link", "set", end, "up"))
    _run(*there.command("ip", "link", "set", "lo", "up"))
    _run(*there.command("ip", "route", "add", "default", "via", GATEWAY))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
