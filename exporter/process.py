"""This process as Linux sees it: its memory, CPU time and file descriptors (proc(5))."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import replace
from pathlib import Path

from exporter.instruments import Registry
from exporter.memory_limit import memory_limit
from model import names
from model.metric import Metric

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
# /proc/<pid>/stat after the name: starttime, in ticks since the machine was started.
_START_TIME = 19
# What is open besides the sockets of probes: ours, scrapers', files of secrets, threads' pipes.
_RESERVE = 200


def observe(registry: Registry) -> None:
    """Have a registry tell of the process, under the names that every Prometheus client has."""
    registry.value(names.VIRTUAL_MEMORY).set_function(lambda: _pages(0) * _PAGE)
    registry.value(_own(names.RESIDENT_MEMORY)).set_function(lambda: _pages(1) * _PAGE)
    registry.value(_own(names.PROCESS_START_TIME)).set(_started_at())
    registry.value(_own(names.PROCESS_CPU)).set_function(time.process_time)
    registry.value(_own(names.OPEN_FDS)).set_function(_open_fds)
    registry.value(names.MAX_FDS).set_function(lambda: _limits()[0])
    if (limit := memory_limit()) is not None:
        registry.value(names.MEMORY_LIMIT).set(limit)


def raise_limit() -> None:
    """Allow as many open files as the system lets us: a shell's usual 1,024 are for select(2)."""
    _, hard = _limits()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def missing_files(probes_at_once: int) -> int:
    """How many more file descriptors so many probes at once need than there may be; 0 if none."""
    soft, _ = _limits()
    unlimited = soft == resource.RLIM_INFINITY
    return 0 if unlimited else max(0, probes_at_once + _RESERVE - soft)


def _own(metric: Metric) -> Metric:
    """As we expose it: `service` is Prometheus' to add, and it adds none to ours."""
    return replace(metric, labels=())


def _limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def _pages(field: int) -> int:
    """A field of /proc/self/statm: 0 is virtual memory, 1 is resident."""
    # A scrape must be cheap: Path costs 40 µs here, this 5.
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 200).split()[field])
    finally:
        os.close(file)


def _open_fds() -> int:
    # Less the one that reads the directory.
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - no Path for each of thousands


def _started_at() -> float:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_START_TIME])
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - up + ticks / _TICKS
