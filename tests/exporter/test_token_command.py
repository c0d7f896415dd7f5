"""`python -m exporter token`, and the secrets of INSECURE_DEVELOPMENT, as processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import jwt
import pytest
from serving import SERVICES, config_text

from exporter.settings import read_settings
from exporter.web.identity import Identity
from exporter.web.tokens import identity_of, verified
from programs import child, free_port

ROOT = Path(__file__).resolve().parents[2]
SECRET = "secret-of-people-0123456789-0123456789"


def environment(**variables: str) -> dict[str, str]:
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return path | variables


def token(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the command answers."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", "token", *options],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_it_prints_a_token_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    me = ("--role", "responder", "--sub", "me@example.com")
    settings = read_settings({"JWT_SECRET": SECRET})
    for given in ({"JWT_SECRET": SECRET}, {"JWT_SECRET_FILE": str(file)}):
        made = token(*me, **given)
        assert (made.returncode, made.stderr) == (0, "")
        claims = verified(made.stdout.strip(), settings, settings.jwt_audience)
        assert identity_of(claims) == Identity("me@example.com", "responder")


def test_it_lives_for_as_long_as_it_is_told() -> None:
    me = ("--role", "viewer", "--sub", "me")
    for options, hours in (((), 12), (("--hours", "0.5"), 0.5)):
        made = token(*me, *options, JWT_SECRET=SECRET).stdout.strip()
        claims = jwt.decode(made, options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == hours * 3600
        assert abs(claims["iat"] - time.time()) < 60


@pytest.mark.parametrize(
    ("options", "variables", "told"),
    [
        (("--role", "viewer", "--sub", "me"), {}, "JWT_SECRET is not set"),
        (("--role", "viewer", "--sub", "me"), {"JWT_SECRET": "short"}, "32 bytes"),
        (("--role", "ingest", "--sub", "me"), {"JWT_SECRET": SECRET}, "ingest"),
        (("--role", "viewer"), {"JWT_SECRET": SECRET}, "--sub"),
        (("--role", "viewer", "--sub", "a\nb"), {"JWT_SECRET": SECRET}, "sub"),
        (("--role", "viewer", "--sub", "me", "--hours", "0"), {"JWT_SECRET": SECRET}, "hours"),
        (("--role", "viewer", "--sub", "me", "--hours", "1e9"), {"JWT_SECRET": SECRET}, "hours"),
        (("--role", "viewer", "--sub", "me", "--hours", "nan"), {"JWT_SECRET": SECRET}, "hours"),
    ],
)
def test_what_is_wrong_is_told_with_exit_code_2(
    options: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    made = token(*options, **variables)
    assert (made.returncode, made.stdout) == (2, "")
    assert told in made.stderr
    assert "Traceback" not in made.stderr


def test_development_secrets_are_announced_with_a_token_that_works(tmp_path: Path) -> None:
    config, log, port = tmp_path / "config.py", tmp_path / "log", free_port()
    config.write_text(config_text(*SERVICES))
    process = child(
        [sys.executable, "-m", "exporter", "serve"],
        env=environment(
            MONITORING_CONFIG=str(config),
            HOST="127.0.0.1",
            PORT=str(port),
            INSECURE_DEVELOPMENT="1",
        ),
        cwd=tmp_path,
        log=log,
    )
    try:
        deadline = time.monotonic() + 90
        while '"serving"' not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        said = log.read_text()
        assert "Never set it where anybody else can reach this port." in said
        found = re.search(r"export TOKEN=(\S+)", said)
        assert found is not None
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
            headers = {"Authorization": f"Bearer {found[1]}"}
            client.request("GET", "/api/v1/monitoring/services", headers=headers)
            answer = client.getresponse()
            assert answer.status == 200
            assert json.loads(answer.read())["summary"]["total"] == len(SERVICES)
    finally:
        process.kill()
        process.wait()
