"""`python -m exporter serve` as a process: mistakes, signals, and databases that hang."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving import config_text

from programs import Postgres, Redis, child, free_port

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "exporter", "serve"]
SECRET = "hunter2-do-not-print"
# What a busy machine may add to a moment that is asserted.
SLACK = 3.0
# For what has no deadline: only what hangs takes so long.
AMPLE = 60.0
# The deadline of the targets' probes in these configs, and what the runner adds to clean up.
TIMEOUT, GRACE, INTERVAL = 0.5, 0.5, 1.0


def environment(config: Path, **variables: str) -> dict[str, str]:
    """Nothing but what an exporter needs, so that this machine's own variables do not matter."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "MONITORING_CONFIG": str(config),
        "HOST": "127.0.0.1",
        **variables,
    }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.py"
    path.write_text(config_text("auth-service", "own-service"))
    return path


def refused(config: Path, **variables: str) -> tuple[int, list[str]]:
    """Exit code and lines of an exporter that does not start."""
    ended = subprocess.run(
        COMMAND,
        env=environment(config, **variables),
        cwd=config.parent,
        capture_output=True,
        text=True,
        timeout=AMPLE,
        check=False,
    )
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr
    return ended.returncode, ended.stderr.splitlines()


@dataclass(frozen=True)
class Exporter:
    """A running exporter process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of an answer that has to come at once, whatever the targets do."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SLACK)) as client:
            client.request(method, path)
            answer = client.getresponse()
            return answer.status, answer.read().decode()

    def value(self, series: str) -> float | None:
        """A series' value in a scrape that has to come at once; None if there is no such series."""
        _, text = self.get("/metrics")
        for line in text.splitlines():
            if line.startswith(f"{series} "):
                return float(line.rpartition(" ")[2])
        return None

    def sockets(self) -> int:
        """How many sockets the process has open."""
        count = 0
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                count += str(descriptor.readlink()).startswith("socket:")
            except FileNotFoundError:
                continue
        return count

    def entries(self) -> list[dict[str, object]]:
        """The log, of which every line has to be JSON: every whole one, as it is being written."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(AMPLE)


@contextmanager
def running(config: Path, **variables: str) -> Iterator[Exporter]:
    """An exporter that listens already; it ends without an error when it is told to."""
    port, log = free_port(), config.parent / "exporter.log"
    env = environment(config, PORT=str(port), **variables)
    process = child(COMMAND, env=env, cwd=config.parent, log=log)
    exporter = Exporter(process, port, log)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return exporter.get("/-/ready")[0] == 200
        except OSError:
            return False

    try:
        until(listens, AMPLE)
        yield exporter
        if process.poll() is None:
            assert exporter.stop() == 0, log.read_text()
        text = log.read_text()
        assert SECRET not in text
        assert "never retrieved" not in text
        assert "Traceback" not in text
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], seconds: float) -> float:
    """Wait until a condition holds and return how long that took; fail after so many seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it has not come true in time"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


# --- mistakes -----------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(config: Path, silent: int) -> None:
    assert refused(config, PORT=str(silent)) == (
        1,
        [f"exporter: 127.0.0.1:{silent} is taken by another program: stop it, or set PORT"],
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a..b"])
def test_a_host_that_is_not_this_machine_is_one_line_and_exit_code_1(
    config: Path, host: str
) -> None:
    code, lines = refused(config, HOST=host, PORT=str(free_port()))
    assert (code, len(lines)) == (1, 1), lines
    assert "HOST" in lines[0]


def test_all_mistakes_of_settings_and_config_are_told_at_once_with_exit_code_2(
    config: Path,
) -> None:
    config.write_text(config_text("auth-service", "Own Service").replace("redis://", "rdis://"))
    code, lines = refused(
        config, PORT="http", LOG_LEVEL="loud", METRICS_BASIC_AUTH=SECRET, PROMETHEUS_ALLOWED_IPS="x"
    )
    assert code == 2
    assert all(line.startswith("exporter: ") for line in lines)
    text = "\n".join(lines)
    settings = ("PORT: ", "LOG_LEVEL: ", "METRICS_BASIC_AUTH: ", "PROMETHEUS_ALLOWED_IPS: ")
    for expected in (*settings, "Own Service", "url: must start with redis://"):
        assert expected in text
    assert text.count("config.py:") >= 2


def test_bad_settings_and_bad_urls_are_told_at_once(config: Path) -> None:
    code, lines = refused(
        config,
        PORT="http",
        DATABASE_URL=f"postgresql://monitoring:{SECRET}%zz@db/x",
        REDIS_URL=f"rdis://:{SECRET}@redis",
    )
    assert code == 2
    assert [line.split(":")[1].strip() for line in lines] == ["PORT", "DATABASE_URL", "REDIS_URL"]


def test_a_url_that_its_prober_refuses_is_exit_code_2(config: Path) -> None:
    code, lines = refused(
        config, PORT=str(free_port()), REDIS_URL=f"redis://:{SECRET}@r/0?no_such_setting=1"
    )
    assert (code, len([line for line in lines if line.startswith("exporter: ")])) == (2, 1)
    assert "nothing after the database's number" in lines[-1]


def test_a_config_that_is_missing_is_named(tmp_path: Path) -> None:
    code, lines = refused(tmp_path / "nowhere.py")
    assert (code, len(lines)) == (2, 1)
    assert "nowhere.py" in lines[0]
    assert "MONITORING_CONFIG" in lines[0]


# --- running ------------------------------------------------------------------------------------


def test_databases_that_nobody_has_set_up_just_show_as_down(config: Path) -> None:
    with running(config) as exporter:
        until(lambda: exporter.value('pg_up{target="postgresql"}') == 0, AMPLE)
        until(lambda: exporter.value('redis_up{target="redis"}') == 0, AMPLE)
        status, text = exporter.get("/health")
        assert (status, json.loads(text)["status"]) == (503, "unhealthy")
        assert {entry["level"] for entry in exporter.entries()} == {"info"}


def test_metrics_answers_at_once_while_every_target_hangs(config: Path, silent: int) -> None:
    place = f"127.0.0.1:{silent}"
    # Long enough that whoever waited for a target would be seen.
    text = config_text("auth-service", "own-service")
    text = text.replace("interval=seconds(1)", "interval=seconds(6)")
    config.write_text(text.replace("timeout=seconds(0.5)", "timeout=seconds(4.5)"))
    with running(
        config,
        AUTH_SERVICE_URL=f"http://{place}",
        OWN_SERVICE_URL=f"http://{place}",
        DATABASE_URL=f"postgresql://monitoring:{SECRET}@{place}/x",
        REDIS_URL=f"redis://:{SECRET}@{place}/0",
    ) as exporter:

        def told(target: str) -> bool:
            line = (
                rf'monitoring_probe_failure_reason{{target="{target}",kind="\w+",'
                r'reason="(connect_)?timeout"} 1'
            )
            return re.search(line, exporter.get("/metrics")[1]) is not None

        deadline = time.monotonic() + AMPLE
        while not all(map(told, ("auth-service", "postgresql", "redis"))):
            assert time.monotonic() < deadline
            # It fails the test, as each of the scrapes, if it takes longer than SLACK.
            exporter.get("/health")
            time.sleep(0.05)
        assert exporter.value("monitoring_event_loop_lag_seconds") is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_with_probes_and_a_scrape_under_way(
    config: Path, silent: int, number: signal.Signals
) -> None:
    variables = {"DATABASE_URL": f"postgresql://x@127.0.0.1:{silent}/x"}
    with running(config, **variables) as exporter, ExitStack() as clients:
        for request in (b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b""):
            client = socket.create_connection(("127.0.0.1", exporter.port))
            clients.enter_context(client)
            client.sendall(request)
        slow = socket.create_connection(("127.0.0.1", exporter.port))
        clients.enter_context(slow)
        slow.sendall(b"GET /probe?target=postgresql HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        exporter.process.send_signal(number)
        # Open requests may take 3 s to end, where aiohttp would give them a minute.
        assert exporter.process.wait(3 + 12) == 0


def test_sighup_reloads_and_a_bad_config_keeps_the_old_one(config: Path) -> None:
    with running(config) as exporter:
        config.write_text("CONFIG = nothing")
        exporter.process.send_signal(signal.SIGHUP)
        until(lambda: exporter.value("monitoring_config_last_reload_successful") == 0, AMPLE)
        assert json.loads(exporter.get("/health")[1])["services"][0]["service"] == "auth-service"
        config.write_text(config_text("new-service", "own-service"))
        exporter.process.send_signal(signal.SIGHUP)
        until(lambda: exporter.value("monitoring_config_last_reload_successful") == 1, AMPLE)
        assert json.loads(exporter.get("/health")[1])["services"][0]["service"] == "new-service"
        config.write_text(config_text("auth-service", "own-service"))
        assert exporter.get("/-/reload", "POST") == (200, "reloaded\n")
        assert json.loads(exporter.get("/health")[1])["services"][0]["service"] == "auth-service"


def test_a_hundred_sighups_while_it_starts_do_not_end_it(config: Path) -> None:
    with running(config) as exporter:
        for _ in range(100):
            exporter.process.send_signal(signal.SIGHUP)
        until(lambda: exporter.value("monitoring_config_last_reload_successful") == 1, AMPLE)
        assert exporter.process.poll() is None


def test_after_it_was_stopped_itself_it_recovers(config: Path, tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as redis, running(config, REDIS_URL=redis.url) as exporter:
        up = 'redis_up{target="redis"}'
        until(lambda: exporter.value(up) == 1, AMPLE)
        exporter.process.send_signal(signal.SIGSTOP)
        time.sleep(4 * INTERVAL)
        exporter.process.send_signal(signal.SIGCONT)
        # What it knew is too old to be told.
        assert exporter.value(up) in (None, 1)
        until(lambda: exporter.value(up) == 1, INTERVAL + SLACK)


@contextmanager
def counting() -> Iterator[tuple[int, list[float]]]:
    """A port, and when connections to it were accepted; each is closed at once."""
    accepted: list[float] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(time.monotonic())
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], accepted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_after_it_was_stopped_itself_it_does_not_probe_everything_at_once(tmp_path: Path) -> None:
    services = [f"service-{number}" for number in range(60)]
    config = tmp_path / "config.py"
    # So long that a machine that is held up for a second does not make half of them late.
    interval = 3.0
    text = config_text(*services, databases="")
    config.write_text(text.replace("interval=seconds(1)", f"interval=seconds({interval:g})"))
    with counting() as (port, accepted):
        urls = {f"SERVICE_{number}_URL": f"http://127.0.0.1:{port}" for number in range(60)}
        with running(config, **urls) as exporter:
            until(lambda: len(accepted) >= 180, AMPLE)
            exporter.process.send_signal(signal.SIGSTOP)
            time.sleep(2 * interval)
            accepted.clear()
            resumed = time.monotonic()
            exporter.process.send_signal(signal.SIGCONT)
            until(lambda: len(accepted) >= 60, AMPLE)
            # All are due; evenly spread a tenth of the interval holds six of them.
            at_once = sum(at - resumed < interval / 10 for at in accepted)
            assert at_once < 30


# --- databases that hang ------------------------------------------------------------------------


@dataclass(frozen=True)
class Databases:
    """The exporter with a real Postgres and a real Redis."""

    exporter: Exporter
    servers: Mapping[str, Postgres | Redis]


UP = {"postgres": 'pg_up{target="postgresql"}', "redis": 'redis_up{target="redis"}'}


@pytest.fixture
def databases(config: Path, tmp_path: Path) -> Iterator[Databases]:
    with Postgres() as postgres, Redis(tmp_path / "redis") as redis:
        urls = {"DATABASE_URL": postgres.dsn(), "REDIS_URL": redis.url}
        with running(config, **urls) as exporter:
            for up in UP.values():
                until(lambda up=up: exporter.value(up) == 1, AMPLE)  # type: ignore[misc] # a loop's value
            yield Databases(exporter, {"postgres": postgres, "redis": redis})


@pytest.mark.parametrize(("stopped", "other"), [("postgres", "redis"), ("redis", "postgres")])
def test_a_database_that_is_stopped_is_down_within_its_deadline_and_comes_back_without_a_trace(
    databases: Databases, stopped: str, other: str
) -> None:
    exporter, server = databases.exporter, databases.servers[stopped]
    sockets = settled(exporter)
    server.pause()
    try:
        # The next probe starts within an interval and has its deadline.
        until(lambda: exporter.value(UP[stopped]) == 0, INTERVAL + TIMEOUT + SLACK)
        assert exporter.value(UP[other]) == 1
        held = time.monotonic() + 5 * INTERVAL
        while time.monotonic() < held:
            # Each of these fails the test if it takes longer than SLACK.
            assert exporter.value(UP[stopped]) == 0
            assert exporter.value(UP[other]) == 1
            time.sleep(0.05)
        assert exporter.sockets() <= sockets + 2, "a probe's connections stay open"
    finally:
        server.resume()
    until(lambda: exporter.value(UP[stopped]) == 1, INTERVAL + TIMEOUT + SLACK)
    assert settled(exporter) == sockets
    assert exporter.value('monitoring_errors_total{component="prober"}') == 0


def settled(exporter: Exporter) -> int:
    """How many sockets it has open between probes: the least of many looks."""
    looks = []
    for _ in range(50):
        looks.append(exporter.sockets())
        time.sleep(0.02)
    return min(looks)
