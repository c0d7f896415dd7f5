"""What all servers have in common: start, wait, stop, pause."""

import http.client
import signal
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from programs.errors import ServerError
from programs.process import HOST, child, family, free_port, listens, send, wait_stopped

ANSWER_SECONDS = 1.0
_ATTEMPTS = 5
_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0
_LOG_LINES = 15


class Server(ABC):
    """A server on a free port of 127.0.0.1 that does not outlive its parent.

    start() and wait_ready() may create the process, and the process ends with the thread that
    created it: call both from a thread that lives as long as the server should. As a context
    manager it is ready inside and gone after. Started again after stop() or kill(), it has the
    same port and data.
    """

    name: ClassVar[str]
    scheme: ClassVar[str] = "http"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.host = HOST
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._was_ready = False

    @property
    def port(self) -> int:
        """Known from start() on; wait_ready() changes it if a stranger took it meanwhile."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port before it was started")
        return self._port

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server prints, of all its starts."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Raises ServerError if the server is not running."""
        return self._running().pid

    def start(self) -> None:
        """Starts the process and returns at once; raises ServerError if it runs already."""
        if self._process is not None:
            raise ServerError(f"{self.name} is running already")
        if self._port is None:
            self._port = free_port()
        self._prepare()
        self._process = self._spawn()

    def wait_ready(self, deadline: float = 30) -> None:
        """Waits at most `deadline` seconds until the server answers; raises ServerError."""
        end = time.monotonic() + deadline
        attempts = _ATTEMPTS
        while not self._ready():
            if self._running().poll() is not None:
                attempts -= 1
                self._start_elsewhere(attempts)
            if time.monotonic() > end:
                raise ServerError(f"{self.name} is not ready after {deadline:g} s\n{self._tail()}")
            time.sleep(_POLL_SECONDS)
        self._was_ready = True

    def stop(self) -> None:
        """Ends the server in order, after 10 s by force; nothing happens if it does not run."""
        if self._process is None:
            return
        members = family(self._process.pid)
        send([self._process.pid], self.stop_signal)
        send(members, signal.SIGCONT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Ends the server and its children with SIGKILL, as a crash would."""
        if self._process is None:
            return
        # A stopped process starts no child that this list does not have.
        send([self._process.pid], signal.SIGSTOP)
        send(family(self._process.pid), signal.SIGKILL)
        self._process.wait()
        self._process = None

    def close(self) -> None:
        """Stops the server and removes what it kept outside of its directory."""
        self.stop()

    def pause(self) -> None:
        """Stops the clock of the server and its children: it accepts nothing, answers nothing."""
        paused: set[int] = set()
        # What a child starts before its own turn is found in the next round.
        while fresh := [pid for pid in family(self.pid) if pid not in paused]:
            send(fresh, signal.SIGSTOP)
            if not wait_stopped(fresh, _STOP_SECONDS):
                raise ServerError(
                    f"{self.name} does not stand still {_STOP_SECONDS:g} s after SIGSTOP"
                )
            paused.update(fresh)

    def resume(self) -> None:
        """Lets the server and its children go on after pause()."""
        send(family(self.pid)[::-1], signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """The command line for the present port."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server answers as it does when it is ready."""

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return child(
            self._command(), cwd=self.directory, log=self.log, death_signal=self.death_signal
        )

    def _ready(self) -> bool:
        # A stranger on our port would answer as well.
        return listens(self._running().pid, self.port) and self._answers()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process

    def _start_elsewhere(self, attempts: int) -> None:
        process, tail = self._running(), self._tail()
        taken = "address already in use" in tail.lower()
        self._process = None
        if not taken or self._was_ready or attempts == 0:
            raise ServerError(f"{self.name} ended with {process.returncode}\n{tail}")
        self._port = None
        # So that the next look at the log does not find this attempt's complaint.
        self.log.unlink()
        self.start()

    def _tail(self) -> str:
        if not self.log.exists():
            return "(no log)"
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])


def request(url: str, method: str = "GET", timeout: float = 5) -> tuple[int, str]:
    """Status and body of an HTTP answer of 127.0.0.1; raises OSError if there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        # Only servers of this package are asked.
        with opener.open(urllib.request.Request(url, method=method), timeout=timeout) as answer:  # noqa: S310
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url}: {error!r}") from error


class HttpServer(Server):
    """A server of the Prometheus family, which tells by HTTP whether it is ready."""

    def reload(self) -> None:
        """Makes it read its configuration again; raises ServerError if that is refused."""
        status, body = request(f"{self.url}/-/reload", "POST", timeout=30)
        if status != http.client.OK:
            raise ServerError(f"{self.name} does not reload: {body.strip()}\n{self._tail()}")

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/-/ready", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == http.client.OK
