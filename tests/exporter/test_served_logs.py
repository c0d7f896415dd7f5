"""A running service's log: in files, without its secrets, opened anew by SIGUSR1."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from serving import SERVICES, config_text

from programs import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "hunter2-do-not-print"


def text_of(path: Path) -> str:
    """What is in a file of the log: perhaps nothing yet, it is written after what it tells of."""
    return path.read_text() if path.exists() else ""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reached(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        try:
            client.request("GET", "/-/healthy")
            return client.getresponse().status == 200
        except OSError:
            return False


def starting(directory: Path, logs: Path, port: int) -> subprocess.Popen[bytes]:
    config = directory / "config.py"
    config.write_text(config_text(*SERVICES))
    redis = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}"
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONITORING_CONFIG": str(config),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LOG_DIR": str(logs),
        "LOG_LEVEL": "debug",
        "REDIS_URL": redis,
    }
    with (directory / "output").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "exporter", "serve"],
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n: nothing\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: %s" + b"x" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
    ],
    ids=["no name", "too long", "no length"],
)
def test_a_request_that_cannot_be_read_is_one_line_without_its_words(
    tmp_path: Path, sent: bytes
) -> None:
    logs, port = tmp_path / "logs", free_port()
    combined = logs / "monitoring-combined.log"
    process = starting(tmp_path, logs, port)
    try:
        until(lambda: reached(port))
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(sent % b"unknown-secret")
            assert client.recv(65536).startswith(b"HTTP/1.")
        until(lambda: "could not be read" in text_of(combined))
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in combined.read_text().splitlines()]
    (said,) = [line for line in lines if line["event"] == "a request could not be read"]
    assert (said["level"], said["address"]) == ("warning", "127.0.0.1")
    assert said["why"]
    assert "exception" not in said
    for text in (combined.read_text(), (tmp_path / "output").read_text()):
        assert "Traceback" not in text
        assert "unknown-secret" not in text


def test_sigusr1_opens_the_files_anew_and_no_line_has_a_secret(tmp_path: Path) -> None:
    logs, port = tmp_path / "logs", free_port()
    combined = logs / "monitoring-combined.log"
    process = starting(tmp_path, logs, port)
    try:
        until(lambda: '"serving"' in text_of(combined))
        combined.rename(logs / "moved")
        process.send_signal(signal.SIGUSR1)
        until(combined.exists)
        # A config that cannot be read is told in the log, with whatever secret stands in it.
        (tmp_path / "config.py").write_text(f"raise ValueError('redis://:{PASSWORD}@redis')")
        process.send_signal(signal.SIGHUP)
        until(lambda: "not reloaded" in text_of(combined))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    moved, after = (logs / "moved").read_text(), combined.read_text()
    assert '"serving"' in moved
    assert '"stopping"' in after
    output = (tmp_path / "output").read_text()
    assert output == moved + after
    assert [json.loads(line) for line in output.splitlines()]
    assert PASSWORD not in output
    assert "not reloaded" in (logs / "monitoring-error.log").read_text()


@pytest.mark.parametrize("place", ["a file", "a directory that is closed"])
def test_a_service_starts_without_its_log_directory(tmp_path: Path, place: str) -> None:
    blocked = tmp_path / "blocked"
    if place == "a file":
        blocked.write_text("")
    else:
        # Where not even root makes a directory.
        blocked = Path("/sys")
    port = free_port()
    process = starting(tmp_path, blocked / "logs", port)
    try:
        until(lambda: reached(port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    events = [json.loads(line) for line in (tmp_path / "output").read_text().splitlines()]
    told = [one for one in events if "cannot be written" in one["event"]]
    assert {one["destination"] for one in told} == {
        str(blocked / "logs" / f"monitoring-{name}.log") for name in ("combined", "error")
    }
