"""`python -m exporter migrate`: brings the store to this version's schema, or says why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stores import new_database, opened, sqlite

from exporter.ledger.migrate import head
from exporter.version import VERSION
from programs import Postgres, free_port

ROOT = Path(__file__).resolve().parents[2]


def migrate(directory: Path, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and complaint."""
    ended = subprocess.run(
        [sys.executable, "-m", "exporter", "migrate"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    code, said, complaint = migrate(tmp_path, DATABASE_URL="mysql://db/x", DATABASE_POOL_MAX="no")
    assert (code, said) == (1, "")
    assert "DATABASE_URL" in complaint
    assert "DATABASE_POOL_MAX" in complaint


def test_a_store_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://me:hidden-word@127.0.0.1:{free_port()}/monitoring_prod"
    code, said, complaint = migrate(tmp_path, DATABASE_URL=url)
    assert (code, said) == (1, "")
    assert "the ledger's store does not work" in complaint
    assert "hidden-word" not in complaint
    assert "Traceback" not in complaint


async def test_a_file_that_a_running_service_uses_is_left_to_it(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    async with opened(options):
        code, said, complaint = migrate(tmp_path, LEDGER_FILE=str(options.file))
    assert (code, said) == (1, "")
    assert "is in use by another process" in complaint


def test_an_sqlite_file_is_made_and_its_revision_told(tmp_path: Path) -> None:
    for _ in range(2):
        code, said, complaint = migrate(tmp_path, LEDGER_FILE="ledger.sqlite3")
        assert (code, complaint) == (0, "")
        assert said == f"sqlite, ledger.sqlite3: revision {head()}\n"
    assert (tmp_path / "ledger.sqlite3").exists()


def test_the_version_is_told_with_the_schema_that_it_has() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "exporter", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == (
        f"tickettoken-monitoring {VERSION}, schema {head()}\n",
        "",
    )


def test_a_postgres_is_migrated_and_its_revision_told(tmp_path: Path, postgres: Postgres) -> None:
    url = new_database(postgres)
    for _ in range(2):
        code, said, complaint = migrate(tmp_path, DATABASE_URL=url)
        assert (code, said, complaint) == (0, f"postgresql: revision {head()}\n", "")
    database = url.rpartition("/")[2]
    assert postgres.execute("SELECT version_num FROM ledger_version", database) == head()
