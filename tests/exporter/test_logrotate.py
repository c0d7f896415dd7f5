"""The runbook's logrotate entry, run by the real logrotate while the log is written."""

from __future__ import annotations

import grp
import gzip
import json
import os
import pwd
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from printed import USERS, read

from programs import find

# As printed; what differs below is this machine's.
ENTRY = read(USERS).line("Log Rotation", "rotate 7").text
ROTATIONS = 6
PROGRAM = """
import sys, time
from pathlib import Path
import structlog
from exporter.logs import ServiceLog

log = structlog.get_logger("exporter.example")
stop = Path(sys.argv[2])
written = 0
with ServiceLog("info", Path(sys.argv[1])):
    while not stop.exists():
        for _ in range(20):
            written += 1
            (log.error if written % 10 == 0 else log.info)("line", number=written)
        # Slow enough that no line has to be dropped where the disk or a processor is busy.
        time.sleep(0.1)
Path(sys.argv[2]).write_text(str(written))
"""


@pytest.fixture(scope="module")
def logrotate() -> Path:
    return find("logrotate")


def entry_for(directory: Path, pid: int) -> str:
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    entry = ENTRY.replace("/app/logs/", f"{directory}/")
    entry = entry.replace("nodejs nodejs", f"{user} {group}")
    return entry.replace("docker kill -s USR1 monitoring-service", f"kill -s USR1 {pid}")


def numbers(directory: Path, name: str) -> Counter[int]:
    """How often each line's number is in a file and in what was rotated away of it."""
    found: Counter[int] = Counter()
    for path in directory.glob(f"{name}*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.update(json.loads(line)["number"] for line in data.splitlines())
    return found


def test_no_line_is_lost_or_doubled_while_logrotate_moves_the_files_away(
    tmp_path: Path, logrotate: Path
) -> None:
    logs, stop, config = tmp_path / "logs", tmp_path / "stop", tmp_path / "entry"
    logs.mkdir(mode=0o755)
    files = [logs / f"monitoring-{name}.log" for name in ("combined", "error")]
    command = [sys.executable, "-c", PROGRAM, str(logs), str(stop)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_lines(*files)
            config.write_text(entry_for(logs, process.pid))
            config.chmod(0o644)
            for _ in range(ROTATIONS):
                rotate(logrotate, config, tmp_path / "state")
                wait_for_lines(*files)
            stop.touch()
            assert process.wait(60) == 0
        finally:
            process.kill()
    written = int(stop.read_text())
    assert len(list(logs.glob("monitoring-combined.log.*"))) == ROTATIONS
    assert numbers(logs, "monitoring-combined.log") == Counter(range(1, written + 1))
    assert numbers(logs, "monitoring-error.log") == Counter(range(10, written + 1, 10))


def rotate(logrotate: Path, config: Path, state: Path) -> None:
    command: list[str | Path] = [logrotate, "--force", "--state", state, config]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def wait_for_lines(*paths: Path) -> None:
    """Until the service has opened each file and written to it: an empty one is not rotated."""
    ticks = threading.Event()
    for _ in range(3000):
        if all(path.exists() and b"\n" in path.read_bytes() for path in paths):
            return
        ticks.wait(0.02)
    pytest.fail("nothing is written to one of the files")
