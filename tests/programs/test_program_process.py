"""Children that end with their parent."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from programs import child, free_port
from programs.process import family, listens, tied


def test_a_command_whose_parent_died_meanwhile_is_not_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    # The shell is its parent, not this process.
    result = subprocess.run(
        ["sh", "-c", '"$@" & wait', "sh", *tied(["touch", started])], check=False, timeout=30
    )
    assert result.returncode == 0
    assert not started.exists()


def test_a_program_that_does_not_exist_is_told_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert child(["no-such-program"], log=log).wait(30) == 127
    assert "no-such-program" in log.read_text()


def test_a_child_ends_with_the_thread_that_started_it(tmp_path: Path) -> None:
    running = tmp_path / "running"
    os.mkfifo(running)
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        started.append(child(["sh", "-c", 'echo > "$1"; exec sleep 60', "sh", running]))
        running.read_text()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert started[0].wait(30) == -signal.SIGKILL


def test_the_log_is_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        assert child(["echo", word], log=log).wait(30) == 0
    assert log.read_text() == "one\ntwo\n"


def test_directory_environment_and_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", 'echo "$PWD|$WORD|$1"', "sh", "$HOME 'x'"]
    environment = {"PATH": os.environ["PATH"], "WORD": "hello"}
    assert child(command, cwd=tmp_path, env=environment, log=log).wait(30) == 0
    assert log.read_text() == f"{tmp_path}|hello|$HOME 'x'\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_child_of_another_user_has_no_group_of_root(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "id -un; id -G"]
    assert child(command, user="nobody", cwd=Path("/"), log=log).wait(30) == 0
    assert log.read_text() == "nobody\n65534\n"


def test_a_family_includes_descendants_with_sessions_of_their_own(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    script = 'setsid sh -c "sleep 600 & echo > $1; wait" & wait'
    process = child(["sh", "-c", script, "sh", ready])
    ready.read_text()
    members = family(process.pid)
    assert len(members) == 3
    process.kill()
    process.wait()
    for pid in members[1:]:
        os.kill(pid, signal.SIGKILL)


def test_a_free_port_is_nobodys() -> None:
    assert not listens(os.getpid(), free_port())


def test_a_free_port_is_none_that_connections_are_given() -> None:
    told = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    first, last = map(int, told.split())
    if first > 20_000:
        assert not {free_port() for _ in range(100)} & {*range(first, last + 1)}
