"""The image's own root file system, built by the Dockerfile: the service runs in it as it should.

Collected only where MONITORING_IMAGE names a directory to build it in (`make image-root`): it takes
minutes and root. No container engine is needed, and none is tried.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from container_image import Builder, Image, run_command

from programs import free_port

WHERE = os.environ.get("MONITORING_IMAGE")
USER = 10001
DEADLINE = 300.0


@pytest.fixture(scope="module")
def image() -> Image:
    if WHERE is None or os.geteuid() != 0:
        pytest.fail("an image is built by make image-root, as root")
    return Builder(Path(WHERE)).build()


def variables(port: int) -> dict[str, str]:
    secret = "a-secret-of-at-least-32-characters"
    return {"PORT": str(port), "JWT_SECRET": secret, "INGEST_TOKEN": secret, "HOST": "127.0.0.1"}


def ran(image: Image, directory: Path, *command: str, port: int = 3017) -> tuple[int, str]:
    line = run_command(image, command, variables(port), directory)
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=DEADLINE)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def serving(image: Image, directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command: list[str] = image.config["Cmd"]
    line = run_command(image, command, variables(port), directory)
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def healthy(image: Image, directory: Path, port: int) -> tuple[int, str]:
    """What the image's health check says."""
    command = image.config["Healthcheck"]["Test"]
    assert command[0] == "CMD"
    return ran(image, directory, *command[1:], port=port)


def test_it_serves_as_its_own_user_on_a_read_only_root_and_ends_in_order(
    image: Image, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    port = free_port()
    assert healthy(image, tmp_path, port)[0] == 1
    with serving(image, tmp_path, port) as process:
        end = time.monotonic() + DEADLINE
        while healthy(image, tmp_path, port) != (0, ""):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.5)
        assert Path(f"/proc/{process.pid}").stat().st_uid == USER
        combined = tmp_path / "logs" / "monitoring-combined.log"
        combined.rename(tmp_path / "logs" / "moved")
        process.send_signal(signal.SIGUSR1)
        while not combined.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    lines = [json.loads(line) for line in (tmp_path / "logs" / "moved").read_text().splitlines()]
    assert any(line["event"] == "serving" for line in lines)
    assert (tmp_path / "data" / "monitoring.sqlite3").exists()


def test_nothing_can_be_written_but_volumes_and_tmp(image: Image, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    script = (
        "touch /app/logs/x /app/data/x /tmp/x && ! touch /app/x && ! touch /opt/venv/x && id -u"
    )
    code, said = ran(image, tmp_path, "bash", "-c", script)
    assert code == 0, said
    assert said.splitlines()[0] == str(USER)


def test_there_is_a_shell_and_what_backups_need_but_no_compiler_and_no_installer(
    image: Image, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    script = (
        "command -v bash psql pg_dump pg_restore python && "
        "! command -v gcc cc make pip pip3 && ! python -c 'import pip'"
    )
    code, said = ran(image, tmp_path, "bash", "-c", script)
    assert code == 0, said


def test_its_commands_run(image: Image, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    module = ("python", "-m", "exporter")
    assert ran(image, tmp_path, *module, "--version")[0] == 0
    code, said = ran(image, tmp_path, *module, "migrate")
    assert (code, "revision" in said) == (0, True), said
    code, said = ran(
        image, tmp_path, *module, "token", "--role", "viewer", "--sub", "me@example.com"
    )
    assert code == 0, said


def test_no_secret_and_nothing_of_the_repository_but_the_service_is_in_it(image: Image) -> None:
    assert sorted(path.name for path in (image.root / "app").iterdir()) == [
        "__pycache__",
        "config.py",
        "data",
        "exporter",
        "healthcheck.py",
        "logs",
        "model",
        "templates",
    ]
    assert [path.name for path in (image.root / "app" / "templates").iterdir()] == ["console"]
    assert all("SECRET" not in one and "TOKEN" not in one for one in image.config["Env"])
