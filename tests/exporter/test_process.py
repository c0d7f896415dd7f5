"""The process tells of itself what the kernel knows, and has as many files as it may."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import pytest

from exporter import process
from exporter.instruments import Registry


def value(name: str) -> float:
    registry = Registry()
    process.observe(registry)
    found = registry.get_sample_value(name)
    assert found is not None
    return found


def test_memory_and_times_are_this_processes() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0.3 * used < value("process_resident_memory_bytes") < 1.2 * used
    assert value("process_virtual_memory_bytes") > value("process_resident_memory_bytes")
    assert time.time() - 3600 < value("process_start_time_seconds") < time.time()
    assert value("process_cpu_seconds_total") > 0


def test_an_open_file_is_counted() -> None:
    before = value("process_open_fds")
    first, second = os.pipe()
    assert value("process_open_fds") == before + 2
    os.close(first)
    os.close(second)


@pytest.mark.parametrize(("hard", "missing"), [(4000, 0), (2200, 0), (2199, 1), (1024, 1176)])
def test_the_limit_of_files_is_raised_and_what_it_lacks_is_known(hard: int, missing: int) -> None:
    # In a process of its own: a hard limit that was lowered stays so.
    code = (
        "import resource; from exporter import process;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (512, {hard}));"
        "process.raise_limit();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], process.missing_files(2000))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split() == [str(hard), str(missing)]
