"""`python -m exporter audit`: the monthly look at who did what."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stores import opened

from exporter.ledger import audit
from exporter.ledger.actor import Actor
from exporter.ledger.store import StoreOptions

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)


def audited(options: StoreOptions, logs: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaint."""
    store = {"DATABASE_URL": options.url} if options.url else {"LEDGER_FILE": str(options.file)}
    ended = subprocess.run(
        [sys.executable, "-m", "exporter", "audit", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_DIR": str(logs), **store},
        cwd=logs.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def access(path: str, at: datetime, **more: object) -> str:
    entry = {
        "method": "GET",
        "path": path,
        "status": 200,
        "actor": "me@example.com",
        "address": "10.0.0.1",
        "request_id": "r1",
        "event": "request",
        "timestamp": at.isoformat(),
        "logger": "exporter.access",
        **more,
    }
    return json.dumps(entry) + "\n"


def test_a_length_of_time_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    code, said, complaint = audited(StoreOptions(file=tmp_path / "x"), tmp_path, "--since", "long")
    assert (code, said) == (2, "")
    assert "--since" in complaint


def test_a_store_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    code, _, complaint = audited(StoreOptions(file=tmp_path / "x.sqlite3"), tmp_path)
    assert code == 1
    assert "there is no such file" in complaint
    assert not (tmp_path / "x.sqlite3").exists()


async def test_actions_and_requests_of_the_time_are_told_while_the_service_runs(
    options: StoreOptions, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "monitoring-combined.log").write_text(
        access("/api/alerts", NOW - timedelta(hours=1)) + '{"event": "serving"}\n{"torn'
    )
    with gzip.open(logs / "monitoring-combined.log.2.gz", "wt") as rotated:
        rotated.write(access("/api/old", NOW - timedelta(days=60)))
        rotated.write(access("/api/rotated", NOW - timedelta(days=9), status=403))
    who = Actor("oncall@example.com", "api", "boss\x1b[2J", "10.0.0.2", "r2")
    async with opened(options) as store:
        async with store.begin() as connection:
            await audit.record(
                connection, "acknowledge", who, NOW, alert_id="a-1", after={"notes": "looking"}
            )
            await audit.record(connection, "note", who, NOW - timedelta(days=31))
        code, said, complaint = audited(options, logs, "--since", "30d")
    assert (code, complaint) == (0, "")
    (action,) = (line for line in said.splitlines() if "acknowledge" in line)
    for part in ("oncall@example.com", "alert a-1", "by api", "10.0.0.2", "request r2", "looking"):
        assert part in action
    # What somebody has written cannot steer the terminal of whoever reads it.
    assert "\x1b" not in said
    assert "note  no alert" not in said
    order = [part for line in said.splitlines() for part in line.split() if part[:5] == "/api/"]
    assert order == ["/api/rotated", "/api/alerts"]
    assert "403" in said
