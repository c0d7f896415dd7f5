"""Child processes that do not outlive their parent, and what is known about running processes."""

import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from programs.errors import ServerError

HOST = "127.0.0.1"

_FIRST_PORT, _LAST_PORT, _PORTS_TRIED = 10_000, 65_535, 100

_ENDED = ("X", "Z")
_STANDING_STILL = ("T", "t", *_ENDED)
_POLL_SECONDS = 0.002

# setpriv sets the parent-death signal after the parent may have died already; the shell that
# follows sees that it has another parent then, and starts nothing.
_ONLY_WITH_PARENT = '[ "$PPID" = "$0" ] && exec "$@"'


def child(
    command: Sequence[str | Path],
    *,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Starts a process that gets `death_signal` when the calling thread ends, even by kill -9.

    Linux ties the signal to the thread, not to the process: call this from a thread that lives as
    long as the child should, such as the main thread. The child has a session of its own, so that
    Ctrl-C reaches only the parent, which stops its children in order. What it prints is appended
    to `log`, else it goes where the parent's goes. `user` is only for root. Raises OSError if
    setpriv (util-linux) is missing.
    """
    target = None if log is None else log.open("ab")
    try:
        return subprocess.Popen(
            tied(command, user=user, death_signal=death_signal),
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=None if target is None else subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    finally:
        if target is not None:
            target.close()


def tied(
    command: Sequence[str | Path],
    *,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> list[str]:
    """The command line that runs `command` until the calling thread of this process ends."""
    guard = ["/bin/sh", "-c", _ONLY_WITH_PARENT, str(os.getpid())]
    death = ["--pdeathsig", death_signal.name.removeprefix("SIG")]
    return ["setpriv", *death, *_identity(user), "--", *guard, *map(str, command)]


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now; somebody may a moment later.

    It is none that the kernel gives to connections, which would take it sooner or later from a
    server that is started again. Raises ServerError if none is found.
    """
    chosen = random.SystemRandom()
    for _ in range(_PORTS_TRIED):
        port = chosen.randrange(_FIRST_PORT, _first_of_connections())
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerError(f"{_PORTS_TRIED} ports of {HOST} were tried, and none is free")


def _first_of_connections() -> int:
    """Where the ports begin that connections are given (ip(7), ip_local_port_range)."""
    told = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    first = int(told.split()[0])
    # Where the range was widened to nearly all, there is nothing below it to choose from.
    return first if first > 2 * _FIRST_PORT else _LAST_PORT


def family(pid: int) -> list[int]:
    """The process and its living descendants, parents before their children."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found = [pid]
    for member in found:
        found.extend(children.get(member, ()))
    return found


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Signals each process; one that has ended meanwhile needs none."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_stopped(pids: Iterable[int], deadline: float) -> bool:
    """Whether all of them stand still within `deadline` seconds of a SIGSTOP, or have ended.

    The signal is sent at once and obeyed later: a process that runs on another processor goes on
    until that looks for signals.
    """
    end = time.monotonic() + deadline
    waiting = list(pids)
    while waiting := [pid for pid in waiting if _state(pid) not in _STANDING_STILL]:
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def listens(pid: int, port: int) -> bool:
    """Whether it is this process, and not a stranger, that listens on the port of 127.0.0.1."""
    return not _listening_sockets(port).isdisjoint(_sockets(pid))


def _identity(user: str | None) -> list[str]:
    if user is None:
        return []
    entry = pwd.getpwnam(user)
    return ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]


def _parents() -> list[tuple[int, int]]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        state, parent = _status(int(directory.name))
        if state not in _ENDED:
            found.append((int(directory.name), parent))
    return found


def _state(pid: int) -> str:
    return _status(pid)[0]


def _status(pid: int) -> tuple[str, int]:
    """A process's state as proc(5) names it, and its parent; `X` if it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    # The name, in brackets, may hold anything.
    state, parent = status.rpartition(")")[2].split()[:2]
    return state, int(parent)


def _listening_sockets(port: int) -> set[str]:
    listening = "0A"
    local = f"{int.from_bytes(socket.inet_aton(HOST), 'little'):08X}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {f"socket:[{row[9]}]" for row in rows if row[1] == local and row[3] == listening}


def _sockets(pid: int) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            found.add(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return found
