"""The log's files: what is in which, what happens when they cannot be written, and SIGUSR1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from exporter.logs.destination import Destination, LogFile

PROGRAM = """
import sys
from pathlib import Path
import structlog
from exporter.logs import ServiceLog

log = structlog.get_logger("exporter.example")
with ServiceLog("info", Path(sys.argv[1])):
    for line in sys.stdin:
        getattr(log, line.split()[0])(line.strip())
"""


class Logging:
    """A process that logs each line of its standard input, at the level of its first word."""

    def __init__(self, directory: Path, output: Path) -> None:
        self.directory, self.output = directory, output
        with output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(directory)],
                stdin=subprocess.PIPE,
                stdout=stream,
                text=True,
            )

    def say(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(90) == 0

    def __enter__(self) -> Logging:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def events(path: Path) -> list[str]:
    """What the entries of a file tell, in their order."""
    return [entry["event"] for entry in entries(path)]


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_errors_are_in_both_files_and_everything_is_in_one_of_them_and_in_the_output(
    tmp_path: Path,
) -> None:
    logs, output = tmp_path / "made" / "logs", tmp_path / "output"
    with Logging(logs, output) as logging:
        logging.say("info one", "error two", "warning three", "critical four")
        logging.end()
    every = ["info one", "error two", "warning three", "critical four"]
    assert events(logs / "monitoring-combined.log") == every == events(output)
    assert events(logs / "monitoring-error.log") == ["error two", "critical four"]
    assert (logs / "monitoring-error.log").stat().st_mode & 0o777 & ~0o640 == 0


def test_a_directory_that_cannot_be_written_is_one_warning_and_no_reason_not_to_run(
    tmp_path: Path,
) -> None:
    file, output = tmp_path / "file", tmp_path / "output"
    file.write_text("not a directory")
    with Logging(file / "logs", output) as logging:
        logging.say(*(f"info {number}" for number in range(50)))
        logging.end()
    found = entries(output)
    warnings = [entry for entry in found if entry["level"] == "warning"]
    assert {entry["destination"] for entry in warnings} == {
        str(file / "logs" / name) for name in ("monitoring-combined.log", "monitoring-error.log")
    }
    assert len(warnings) == 2
    assert len(found) == 52


def test_a_directory_that_can_be_written_again_is_and_what_is_missing_is_counted(
    tmp_path: Path,
) -> None:
    place, output = tmp_path / "place", tmp_path / "output"
    place.write_text("not a directory")
    combined = place / "logs" / "monitoring-combined.log"
    with Logging(place / "logs", output) as logging:
        logging.say("info lost", "info lost too")
        until(lambda: len(output.read_text().splitlines()) == 4)
        # By now they are lost, or a thread is held up: then fewer are, and fewer are counted.
        time.sleep(0.2)
        place.unlink()
        logging.say("info kept")
        logging.end()
    assert "info kept" in events(combined)
    counts = [entry for entry in entries(output) if "lines" in entry]
    assert {entry["destination"] for entry in counts} <= {str(combined)}
    told = Counter(entry["event"] for entry in entries(output) if "lines" not in entry)
    missing = told - Counter(events(combined))
    assert sum(entry["lines"] for entry in counts) == missing.total()


def test_after_sigusr1_lines_go_to_the_file_that_has_the_name_now(tmp_path: Path) -> None:
    logs, output = tmp_path / "logs", tmp_path / "output"
    combined = logs / "monitoring-combined.log"
    with Logging(logs, output) as logging:
        logging.say("info before")
        until(lambda: combined.exists() and bool(combined.read_text()))
        combined.rename(logs / "moved")
        logging.say("info between")
        until(lambda: "between" in (logs / "moved").read_text())
        logging.process.send_signal(signal.SIGUSR1)
        until(combined.exists)
        logging.say("info after")
        logging.end()
    assert events(logs / "moved") == ["info before", "info between"]
    assert events(combined) == ["info after"]


def test_a_file_that_hangs_holds_nobody_who_logs_and_what_it_misses_is_counted(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    # Nobody reads it: to open it for writing waits for ever, as a dead network disk does.
    os.mkfifo(pipe)
    destination = Destination("pipe", LogFile(pipe), most=10)
    done = threading.Event()

    def put() -> None:
        for number in range(100):
            destination.put(f"{number}\n".encode())
        done.set()

    threading.Thread(target=put, daemon=True).start()
    assert done.wait(30)
    with capture_logs() as told, pipe.open("rb") as reading:
        destination.close()
        lines = reading.read().splitlines()
    assert lines == [str(number).encode() for number in range(len(lines))]
    assert 10 <= len(lines) <= 12
    assert [entry["lines"] for entry in told] == [100 - len(lines)]


def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = LogFile(path)
    file.write(b"one\n")
    soft, hard = limits()
    try:
        # A file may not grow beyond this: what a full disk does, without filling one.
        limit(path.stat().st_size + 3, hard)
        failed = False
        try:
            file.write(b"cut off\n")
        except OSError:
            failed = True
        assert failed
    finally:
        limit(soft, hard)
    file.write(b"two\n")
    assert path.read_bytes() == b"one\ncut\ntwo\n"


def limits() -> tuple[int, int]:
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)


def limit(soft: int, hard: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
