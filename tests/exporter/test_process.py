"""The process tells of itself what the kernel knows, and has as many files as it may."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


# Told by a process of its own: that of the tests is hours old, and opens and closes what it likes.
PROGRAM = """
import json, os, resource
from exporter import process
from exporter.instruments import Registry

def value(name):
    registry = Registry()
    process.observe(registry)
    return registry.get_sample_value(f"process_{name}")

names = ("resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "cpu_seconds_total")
told = {name: value(name) for name in names}
# What the kernel says, without what the process that started this one had in memory.
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
told["peak"] = int(peak.split()[1]) * 1024
before = value("open_fds")
os.pipe()
told["opened"] = value("open_fds") - before
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, float]:
    """What a process tells of itself; it was started between `earliest` and `latest`."""
    earliest = time.time()
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return {**json.loads(said.stdout), "earliest": earliest, "latest": time.time()}


def test_memory_and_times_are_this_processes(told: dict[str, float]) -> None:
    assert 0.3 * told["peak"] < told["resident_memory_bytes"] < 1.2 * told["peak"]
    assert told["virtual_memory_bytes"] > told["resident_memory_bytes"]
    # The kernel counts both the machine's start and a process's in whole hundredths or seconds.
    assert told["earliest"] - 2 < told["start_time_seconds"] < told["latest"] + 2
    assert told["cpu_seconds_total"] > 0


def test_an_open_file_is_counted(told: dict[str, float]) -> None:
    assert told["opened"] == 2


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
