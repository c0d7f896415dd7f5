"""deploy/Dockerfile: what hadolint says of it, what is in the image, and its health check."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from dockerfile_parse import DockerfileParser

from programs import free_port

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Dockerfile"


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, with what stands behind them."""
    parser = DockerfileParser(fileobj=io.BytesIO(FILE.read_bytes()))
    found: list[list[tuple[str, str]]] = []
    for one in parser.structure:
        if one["instruction"] == "FROM":
            found.append([])
        if one["instruction"] != "COMMENT":
            found[-1].append((one["instruction"], one["value"]))
    return found


def last(name: str) -> str:
    """What the image's last instruction of a name says."""
    return next(value for instruction, value in reversed(stages()[-1]) if instruction == name)


def test_hadolint_has_nothing_to_say() -> None:
    program = Path(sys.executable).with_name("hadolint")
    command = [str(program), "--failure-threshold=style", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_built_with_stays_behind() -> None:
    build, image = stages()
    assert any("pip install" in value for name, value in build if name == "RUN")
    for name, value in image:
        assert name != "RUN" or not any(
            word in value for word in (" pip ", "python3-venv", "gcc", "build-essential", "make ")
        )


def test_what_is_installed_from_pypi_is_held_to_the_locks_hashes() -> None:
    (install,) = (value for _, value in stages()[0] if "pip install" in value)
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert ("COPY", "lock/runtime.txt /build/") in stages()[0]
    assert "--hash=sha256:" in (ROOT / "lock" / "runtime.txt").read_text()


def test_it_runs_as_a_user_of_its_own_with_the_service_as_its_first_process() -> None:
    assert last("USER") == "10001:10001"
    assert last("CMD") == '["python", "-m", "exporter", "serve"]'
    assert all(name != "ENTRYPOINT" for name, _ in stages()[-1])


def test_there_is_a_shell_and_what_backups_need() -> None:
    (installed,) = (value for _, value in stages()[-1] if "apt-get install" in value)
    assert {"bash", "postgresql-client", "ca-certificates", "tzdata"} <= set(installed.split())


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    allowed = [line[1:].rstrip("/") for line in ignored if line.startswith("!")]
    copied = [
        word.rstrip("/")
        for stage in stages()
        for name, value in stage
        if name == "COPY" and not value.startswith("--from")
        for word in value.split()[:-1]
    ]
    assert sorted(copied) == sorted(allowed)
    for path in copied:
        assert (ROOT / path).exists()


# --- the health check ---------------------------------------------------------------------------


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/-/healthy" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checked(port: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "healthcheck.py"],
        env={"PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_the_check_passes_where_the_service_says_that_it_lives() -> None:
    with answering(200) as port:
        assert checked(port) == (0, "")


def test_the_check_fails_on_any_other_answer_and_says_which() -> None:
    with answering(503) as port:
        assert checked(port) == (1, f"port {port} answers 503\n")


def test_the_check_fails_where_nobody_listens() -> None:
    port = free_port()
    code, said = checked(port)
    assert code == 1
    assert said.startswith(f"no answer on port {port}: ")
