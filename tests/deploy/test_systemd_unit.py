"""deploy/monitoring-service.service, as far as systemd itself can judge it without running it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from programs import find
from programs.relocate import behind

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "monitoring-service.service"
# Of systemd's 0 to 10; it calls what is below 2 "OK".
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def analyze() -> Path:
    return find("systemd-analyze")


def said(analyze: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # The units that ours stands on lie beside the program, also where systemd is not installed.
    root = behind(analyze).resolve().parents[2]
    units = f"{root}/lib/systemd/system:{root}/usr/lib/systemd/system:"
    return subprocess.run(
        [analyze, *arguments],
        env={**os.environ, "SYSTEMD_UNIT_PATH": units},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_systemd_understands_all_of_it(tmp_path: Path, analyze: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program's place is the installation's.
    unit.write_text(
        UNIT.read_text().replace("/opt/monitoring-service/.venv/bin/python", sys.executable)
    )
    done = said(analyze, "verify", "--man=no", unit)
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, complaints) == (0, [])


def test_a_mistake_would_be_found(tmp_path: Path, analyze: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("Restart=always", "Restart=allways"))
    assert "allways" in said(analyze, "verify", "--man=no", unit).stderr


def test_the_service_is_little_exposed(analyze: Path) -> None:
    done = said(analyze, "security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) < MOST_EXPOSED


def test_secrets_are_credentials_and_none_is_in_the_unit() -> None:
    text = UNIT.read_text()
    for name in ("jwt_secret", "ingest_token", "database_url"):
        assert f"LoadCredential={name}:/etc/monitoring-service/secrets/{name}" in text
        assert f"Environment={name.upper()}_FILE=%d/{name}" in text
