"""What processes and the machine have used: CPU time and memory, as Linux counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from programs.process import family

_TICKS = os.sysconf("SC_CLK_TCK")
_KIB = 1024
# proc(5), /proc/<pid>/stat after the name: cutime and cstime.
_REAPED = slice(13, 15)
# The kernel's number of the CPU clock of another process (clock_getcpuclockid(3)).
_SCHEDULER_CLOCK = 2


def cpu_seconds(*pids: int) -> float:
    """CPU time of processes and all their descendants, user and system, in seconds.

    It is utime + stime of /proc/<pid>/stat, read from the process's own clock, which counts
    nanoseconds where that file counts hundredths of a second, and cutime + cstime for children
    that have ended. Raises OSError if a process has ended.
    """
    return sum(_of_family(pid) for pid in pids)


def resident_bytes(pid: int) -> int:
    """Memory that a process occupies now, shared libraries included, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * _KIB
    raise ValueError(f"/proc/{pid}/smaps_rollup has no Rss")


def _of_family(pid: int) -> float:
    own = _clock(pid) + _reaped(pid)
    return own + sum(_of_descendants(family(pid)[1:]))


def _of_descendants(pids: Iterable[int]) -> Iterable[float]:
    for pid in pids:
        try:
            yield _clock(pid) + _reaped(pid)
        except OSError:
            # It ended meanwhile: its parent's cutime has it.
            continue


def _clock(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)


def _reaped(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[_REAPED])) / _TICKS


@dataclass(frozen=True, slots=True)
class Load:
    """A moment: the machine's CPU time so far, ours of it, and the time, all in seconds."""

    busy: float
    ours: float
    at: float

    @classmethod
    def now(cls) -> Load:
        """This moment; ours are this process and its descendants."""
        user, nice, system, _, _, _, _, steal, *_ = _machine()
        return cls(user + nice + system + steal, cpu_seconds(os.getpid()), time.monotonic())

    def disturbance(self, since: Load) -> float:
        """The share of the machine's capacity that went elsewhere: to other processes, or stolen.

        Interrupts are left out: those of the loopback network are ours. The kernel counts the
        machine's time by sampling, ours exactly, so that the share is good to about 0.02.
        """
        capacity = (self.at - since.at) * (os.cpu_count() or 1)
        elsewhere = (self.busy - since.busy) - (self.ours - since.ours)
        return min(1.0, max(0.0, elsewhere / capacity)) if capacity else 0.0


def _machine() -> tuple[float, ...]:
    first = Path("/proc/stat").read_text().partition("\n")[0]
    return tuple(int(value) / _TICKS for value in first.split()[1:])


def cpu_model() -> str:
    """What the processor is called, and how many cores the machine has."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return f"{value.strip()}, {os.cpu_count()} cores"
    return f"{os.uname().machine}, {os.cpu_count()} cores"
