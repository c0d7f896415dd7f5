"""The servers, with the real programs."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import Alertmanager, Postgres, Prometheus, Redis, ServerError, find
from programs.process import family
from programs.server import Server, request

REPOSITORY = Path(__file__).parents[2]
KINDS = ("postgres", "redis", "prometheus", "alertmanager")


@pytest.fixture
def prometheus_config(tmp_path: Path) -> Path:
    path = tmp_path / "prometheus.yml"
    path.write_text("global: {scrape_interval: 1s}\n")
    return path


@pytest.fixture
def alertmanager_config(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    return path


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    prometheus_config: Path,
    alertmanager_config: Path,
) -> Iterator[Server]:
    """Each kind of server, not started."""
    made: dict[str, Server] = {
        "postgres": Postgres(),
        "redis": Redis(tmp_path / "redis"),
        "prometheus": Prometheus(tmp_path / "prometheus", prometheus_config),
        "alertmanager": Alertmanager(tmp_path / "alertmanager", alertmanager_config),
    }
    yield made[request.param]
    for each in made.values():
        each.close()


def states(pids: list[int]) -> set[str]:
    texts = [Path(f"/proc/{pid}/stat").read_text() for pid in pids]
    return {text.rpartition(")")[2].split()[0] for text in texts}


def alive(pid: int) -> bool:
    try:
        return states([pid]) != {"Z"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pids: list[int], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.02)


def occupied() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def ping(redis: Redis, timeout: float = 60) -> bytes:
    with socket.create_connection((redis.host, redis.port), timeout=timeout) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64)


def open_files(pid: int) -> Iterator[str]:
    """What a process has open: without what it closes meanwhile, and nothing if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(link)  # noqa: PTH115  (Path would take the socket's name for a path)


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match=r"(?s)redis ended with 1\n.*no-such-option"),
        Redis(tmp_path, args=("--no-such-option", "1")),
    ):
        pytest.fail("it is ready")


def test_a_configuration_with_an_error_is_shown(tmp_path: Path) -> None:
    config = tmp_path / "broken.yml"
    config.write_text("gobal: {}\n")
    with (
        pytest.raises(ServerError, match="field gobal not found"),
        Prometheus(tmp_path / "prometheus", config),
    ):
        pytest.fail("it is ready")


def test_a_server_that_does_not_answer_by_the_deadline_is_an_error(server: Server) -> None:
    server.start()
    server.pause()
    with pytest.raises(ServerError, match=r"is not ready after 0\.5 s"):
        server.wait_ready(0.5)


def test_a_paused_server_is_not_ready_although_it_was(server: Server) -> None:
    with server:
        server.pause()
        with pytest.raises(ServerError, match="is not ready after"):
            server.wait_ready(0.5)
        server.resume()
        server.wait_ready()


def test_a_server_does_not_start_twice(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis, pytest.raises(ServerError, match="running already"):
        redis.start()


def test_a_server_that_does_not_run_has_no_pid(tmp_path: Path) -> None:
    redis = Redis(tmp_path)
    with pytest.raises(ServerError, match="not running"):
        _ = redis.pid
    redis.stop()
    redis.kill()


def test_a_port_taken_meanwhile_is_left_to_the_other(server: Server) -> None:
    with occupied() as other:
        taken = other.getsockname()[1]
        server._port = taken
        with server:
            assert server.port != taken


def test_a_port_lost_while_the_server_was_down_is_an_error(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis:
        redis.stop()
        with socket.create_server(("127.0.0.1", redis.port)):
            redis.start()
            with pytest.raises(ServerError, match="Address already in use"):
                redis.wait_ready()


def test_a_server_listens_on_the_loopback_address_alone(server: Server) -> None:
    with server:
        inodes = {inode for pid in family(server.pid) for inode in open_files(pid)}
        listening = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                row = line.split()
                if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
                    listening.add(row[1])
        assert listening == {f"0100007F:{server.port:04X}"}


def test_a_server_starts_again_on_the_same_port(server: Server) -> None:
    with server:
        port = server.port
        server.stop()
        server.start()
        server.wait_ready()
        assert server.port == port


def test_a_killed_server_starts_again_and_no_child_is_left(server: Server) -> None:
    with server:
        members = family(server.pid)
        server.kill()
        wait_until_gone(members)
        server.start()
        server.wait_ready()


def test_a_paused_server_is_stopped_in_order(server: Server) -> None:
    with server:
        server.pause()
        # Looked up now, because what stands still does not end meanwhile.
        members = family(server.pid)
        assert states(members) == {"T"}
        server.stop()
        wait_until_gone(members)


def test_a_paused_redis_does_not_answer_until_it_is_resumed(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis:
        redis.pause()
        with pytest.raises(TimeoutError):
            ping(redis, timeout=0.5)
        redis.resume()
        assert ping(redis) == b"+PONG\r\n"


def test_a_paused_postgres_pauses_its_backends(tmp_path: Path) -> None:
    with Postgres() as postgres:
        answers: list[str] = []
        query = threading.Thread(
            target=lambda: answers.append(postgres.execute("select pg_sleep(3); select 42"))
        )
        alone = len(family(postgres.pid))
        query.start()
        while len(family(postgres.pid)) == alone:
            time.sleep(0.01)
        postgres.pause()
        assert states(family(postgres.pid)) == {"T"}
        query.join(4)
        assert query.is_alive()
        postgres.resume()
        query.join(90)
        assert answers[0].endswith("42")


def test_a_redis_that_wants_a_password_gets_ready(tmp_path: Path) -> None:
    with Redis(tmp_path, args=("--requirepass", "secret")) as redis:
        assert ping(redis).startswith(b"-NOAUTH")
        assert redis.url == f"redis://127.0.0.1:{redis.port}"


def test_a_refused_reload_is_an_error_and_a_good_one_takes_effect(
    tmp_path: Path, prometheus_config: Path
) -> None:
    with Prometheus(tmp_path / "prometheus", prometheus_config) as prometheus:
        prometheus_config.write_text("global: {scrape_interval: never}\n")
        with pytest.raises(ServerError, match="not a valid duration"):
            prometheus.reload()
        prometheus_config.write_text("global: {scrape_interval: 42s}\n")
        prometheus.reload()
        assert "42s" in request(f"{prometheus.url}/api/v1/status/config")[1]


def test_an_alertmanager_is_alone_unless_it_has_peers(
    tmp_path: Path, alertmanager_config: Path
) -> None:
    with Alertmanager(tmp_path / "alertmanager", alertmanager_config) as alertmanager:
        assert '"status":"disabled"' in request(f"{alertmanager.url}/api/v2/status")[1]
        alertmanager.reload()


def test_a_statement_that_fails_is_an_error() -> None:
    with Postgres() as postgres, pytest.raises(ServerError, match=r'relation "nowhere" does not'):
        postgres.execute("select 1; select * from nowhere")


def test_users_other_than_the_superuser_need_their_password() -> None:
    with Postgres() as postgres:
        postgres.execute("create role alice login password 'p@ss/word'")
        attempts = {
            password: subprocess.run(
                [find("psql"), "-w", "-Atc", "select user", postgres.dsn("alice", password)],
                capture_output=True,
                text=True,
                check=False,
            )
            for password in ("", "wrong", "p@ss/word")
        }
        assert [result.returncode for result in attempts.values()] == [2, 2, 0]
        assert attempts["p@ss/word"].stdout == "alice\n"


def test_settings_reach_postgres_and_data_outlive_a_restart() -> None:
    with Postgres(settings={"application_name": "it's", "max_connections": "7"}) as postgres:
        postgres.execute("create database one")
        postgres.execute("create table t as select 1 as n", "one")
        postgres.stop()
        postgres.start()
        postgres.wait_ready()
        assert postgres.execute("select n from t; show max_connections", "one") == "1\n7"
    assert not postgres.directory.exists()
    with pytest.raises(ServerError, match="was closed"):
        postgres.start()


def test_directories_of_killed_processes_are_removed_and_those_in_use_are_kept() -> None:
    hour_ago = time.time() - 3600
    in_use, abandoned = Postgres(), Postgres()
    abandoned._remove.detach()
    for postgres in (in_use, abandoned):
        os.utime(postgres.directory, (hour_ago, hour_ago))
    kept = [
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink() == abandoned.directory
    ]
    for descriptor in kept:
        os.close(descriptor)
    with Postgres() as fresh:
        assert fresh.directory.exists()
        assert in_use.directory.exists()
        assert not abandoned.directory.exists()
    in_use.close()


def test_no_server_outlives_a_parent_that_is_killed(
    tmp_path: Path, prometheus_config: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from programs import Postgres, Prometheus, Redis; from programs.process import family\n"
        "place, config = map(Path, sys.argv[1:])\n"
        "with Redis(place / 'r') as r, Postgres() as p, Prometheus(place / 'p', config) as m:\n"
        "    print(p.directory, *(pid for each in (r, p, m) for pid in family(each.pid)))\n"
        "    sys.stdout.flush(); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, prometheus_config],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        directory, *pids = parent.stdout.readline().split()
        members = [int(pid) for pid in pids]
        # But for what Postgres has started and ended meanwhile.
        assert len([pid for pid in members if alive(pid)]) > 5
        parent.send_signal(signal.SIGKILL)
    wait_until_gone(members)
    # In order: Postgres removed its own lock file.
    assert not (Path(directory) / "data" / "postmaster.pid").exists()
    shutil.rmtree(directory)
