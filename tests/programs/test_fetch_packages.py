"""Fetching packages for real, interrupted and undisturbed."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from programs import FetchError, MissingProgramError, System, fetch, find, free_port, version
from programs.process import family
from programs.sources import distribution

REPOSITORY = Path(__file__).parents[2]
SMALL = "redis-tools"
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
# A shell's background job, such as a CI's, starts with SIGINT ignored.
FETCH_SMALL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    f"from programs import fetch; print(fetch(['{SMALL}']).program('redis-cli'))"
)

pytestmark = [pytest.mark.usefixtures("debian"), pytest.mark.timeout(300)]


def start(code: str, system: System) -> subprocess.Popen[str]:
    environment = {**system.environment, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_apt_works(cache: Path) -> None:
    end = time.monotonic() + 200
    while not list(cache.glob("packages/*/own/.unfinished-*/work/lists/partial/*")):
        assert time.monotonic() < end
        time.sleep(0.01)


def finished(cache: Path) -> list[Path]:
    return list(cache.glob(f"packages/*/own/{SMALL}"))


def unfinished(cache: Path) -> list[Path]:
    return list(cache.glob("packages/*/own/.unfinished-*"))


def gone(pids: list[int]) -> bool:
    return all(pid not in family(os.getpid()) and not Path(f"/proc/{pid}").exists() for pid in pids)


def test_an_unknown_package_is_an_error_and_leaves_nothing(bare: System, place: Path) -> None:
    with pytest.raises(FetchError, match="Unable to locate package no-such-package"):
        fetch(["no-such-package"], None, bare)
    assert not list(place.glob("cache/packages/*/own/no-such-package"))
    assert not unfinished(place / "cache")


def test_a_program_that_the_packages_do_not_hold_is_an_error(bare: System) -> None:
    with pytest.raises(FetchError, match="hold no program nginx"):
        fetch([SMALL], None, bare).program("nginx")


def test_an_interrupted_fetch_leaves_nothing(bare: System, place: Path) -> None:
    with start(FETCH_SMALL, bare) as process:
        wait_until_apt_works(place / "cache")
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode != 0
    assert not finished(place / "cache")
    assert not unfinished(place / "cache")


def test_a_killed_fetch_ends_apt_and_the_next_one_succeeds(bare: System, place: Path) -> None:
    with start(FETCH_SMALL, bare) as process:
        wait_until_apt_works(place / "cache")
        members = family(process.pid)
        process.kill()
        process.communicate()
    assert len(members) > 1
    assert not finished(place / "cache")
    assert version(fetch([SMALL], None, bare).program("redis-cli"))
    assert gone(members)
    assert not unfinished(place / "cache")


def test_two_fetches_at_once_do_not_collide(bare: System, place: Path) -> None:
    both = [start(FETCH_SMALL, bare) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert len({output for output, _ in answers}) == 1
    assert len(finished(place / "cache")) == 1


def test_third_parties_that_fail_stop_nothing(bare: System, place: Path) -> None:
    apt = place / "apt"
    shutil.copytree(bare.apt, apt)
    codename = distribution(bare).codename
    uri = f"http://127.0.0.1:{free_port()}/"
    (apt / "sources.list.d").mkdir(exist_ok=True)
    (apt / "sources.list.d" / "vendor.list").write_text(
        f"deb {uri}a {codename} main\n"
        f"deb [signed-by=/nowhere/vendor.gpg] {uri}b {codename} main\n"
        f"deb {uri}c nodistro main\n"
    )
    assert version(fetch([SMALL], None, replace(bare, apt=apt)).program("redis-cli"))


def test_hooks_of_the_systems_apt_do_not_run(bare: System, place: Path) -> None:
    hooks = ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
    lines = [f'APT::Update::{hook} {{"touch {place}/{hook}";}};' for hook in hooks]
    (place / "apt.conf").write_text("\n".join(lines))
    environment = {**bare.environment, "APT_CONFIG": str(place / "apt.conf")}
    assert version(
        fetch([SMALL], None, replace(bare, environment=environment)).program("redis-cli")
    )
    assert not [hook for hook in hooks if (place / hook).exists()]


def test_everybody_can_read_what_was_fetched_and_nobody_gains_rights(
    bare: System, place: Path
) -> None:
    before = os.umask(0o077)
    try:
        unpacked = fetch([SMALL], None, bare)
    finally:
        os.umask(before)
    path = unpacked.program("redis-cli")
    for directory in (path, *path.parents):
        assert directory.stat().st_mode & stat.S_IXOTH
        if directory == place:
            break
    modes = [path.lstat().st_mode for path in unpacked.root.rglob("*")]
    assert not any(mode & (stat.S_ISUID | stat.S_ISGID) for mode in modes if stat.S_ISREG(mode))


def test_what_was_fetched_is_found_without_the_network(bare: System, place: Path) -> None:
    path = find("redis-server", bare)
    offline = replace(bare, apt=place / "none")
    assert find("redis-server", offline) == path
    with pytest.raises(MissingProgramError):
        find("promtool", offline)


def test_a_fetched_postgres_runs_with_its_own_files(bare: System, place: Path) -> None:
    initdb = find("initdb", bare)
    assert place / "cache" in initdb.parents
    code = (
        "import sys; from pathlib import Path; from programs import Postgres\n"
        "with Postgres(binaries=Path(sys.argv[1])) as postgres:\n"
        "    print(postgres.execute('create extension pg_trgm; select 6 * 7'))\n"
    )
    environment = {
        **os.environ,
        "MONITORING_CACHE": str(place / "cache"),
        "PYTHONPATH": str(REPOSITORY),
    }
    result = subprocess.run(
        [sys.executable, "-c", code, str(initdb.parent)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr, result.returncode) == ("42\n", "", 0)


def nobodys_python() -> str:
    """A Python that an ordinary user can run, as this one is not if it lies below /root."""
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, shutil.which("python3", path=os.defpath)):
        # setpriv itself still has root's rights when it starts a program; its shell has not.
        probe = [*AS_NOBODY, "sh", "-c", f"'{python}' -c '{new_enough}'"]
        if python and subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    pytest.skip("no Python that an ordinary user can run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_fetches_and_runs_servers(place: Path) -> None:
    home = place / "home"
    home.mkdir()
    # The checkout may lie where only root may look, such as below /root.
    shutil.copytree(REPOSITORY / "programs", home / "programs")
    os.chown(home, 65534, 65534)
    code = (
        "from pathlib import Path; from programs import Postgres, Redis, find\n"
        "with Postgres() as postgres, Redis(Path('redis')) as redis:\n"
        "    print(postgres.execute('select 1'), redis.port > 0, find('redis-server'))\n"
    )
    result = subprocess.run(
        [*AS_NOBODY, nobodys_python(), "-B", "-c", code],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert all(line.startswith("fetching ") for line in result.stderr.splitlines()), result.stderr
    assert result.stdout.startswith("1 True ")
    assert stat.S_IMODE((home / ".cache" / "tickettoken-monitoring").stat().st_mode) == 0o755
