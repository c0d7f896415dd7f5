"""`backup` and `restore`: what was restored elsewhere is what was backed up, or it is no backup."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from operating import Ended, environment, operate, path
from sqlalchemy import func, insert, select, text
from stores import KINDS, new_database, opened, sqlite

from exporter.instruments import Registry
from exporter.ledger import state
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alert_audit, alert_notes, alerts
from exporter.operations.contents import Contents, of_postgres, of_sqlite
from model import names
from model.load import load
from programs import Postgres, free_port

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2025, 1, 18, 12, tzinfo=UTC)


async def add(store: Store, number: int) -> None:
    """An episode, its note and its line of the audit, in one transaction."""
    key = str(uuid.uuid4())
    at = NOON + timedelta(seconds=number)
    async with store.begin(60) as connection:
        await connection.execute(
            insert(alerts).values(
                id=key,
                fingerprint=f"{number:016x}",
                name="ServiceDown",
                severity="critical",
                service="auth-service",
                status="active",
                labels={"path": "C:\\x; \"quoted\" 'and'\nü", "number": str(number)},
                annotations={"value": "1.5"},
                starts_at=at,
                created_at=at,
                updated_at=at,
                source="webhook",
            )
        )
        await connection.execute(
            insert(alert_notes).values(
                alert_id=key, created_at=at, author="me", channel="api", text="tab\there\\."
            )
        )
        await connection.execute(
            insert(alert_audit).values(at=at, alert_id=key, action="a", actor="b", channel="api")
        )


def held(options: StoreOptions) -> Contents:
    """What a store holds."""
    if options.url is not None:
        with psycopg.connect(options.url, autocommit=True) as connection:
            return of_postgres(connection)
    with closing(sqlite3.connect(options.file)) as connection:
        return of_sqlite(connection)


def elsewhere(options: StoreOptions, postgres: Postgres, directory: Path) -> StoreOptions:
    """Another store of the same kind, which is not there yet."""
    if options.url is not None:
        return StoreOptions(url=new_database(postgres))
    directory.mkdir()
    return sqlite(directory)


async def back_up(directory: Path, options: StoreOptions, *words: str) -> Path:
    """A backup that must succeed."""
    ended = await operate(directory, "backup", *words, **environment(options))
    assert (ended.code, ended.complaint) == (0, ""), ended
    # One of an earlier day may lie beside it: a test may run at midnight.
    named = re.match(r"done: (monitoring_backup_\S+?\.gz)\b", ended.last)
    assert named is not None, ended
    file = directory / named[1]
    assert file.is_file()
    return file


async def last_backup(store: Store) -> float | None:
    """What /metrics says."""
    registry = Registry()
    told = state.Told(registry)
    told.tell(await state.read(store, datetime.now(UTC)), load(ROOT / "config.py"))
    return registry.get_sample_value(names.LAST_BACKUP.name)


@asynccontextmanager
async def written(store: Store) -> AsyncIterator[None]:
    """A store into which is written without a pause."""

    async def write() -> None:
        for number in range(1000, 1_000_000):
            await add(store, number)

    writing = [asyncio.create_task(write())]
    try:
        yield
    finally:
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)


# --- what is no backup --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--upload-hook", "cp somewhere"), "{file}"),
        (("--upload-hook", "cp '{file}"), "--upload-hook"),
        (("--directory",), "--directory"),
    ],
)
async def test_what_cannot_be_understood_ends_with_2(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    ended = await operate(tmp_path, "backup", *words)
    assert ended.code == 2
    assert told in ended.complaint


async def failed(directory: Path, *words: str, **variables: str) -> Ended:
    """A backup that must fail, and leave nothing that looks like one."""
    ended = await operate(directory, "backup", *words, **variables)
    assert ended.code == 1, ended
    assert not list(directory.glob("monitoring_backup*"))
    return ended


async def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://me:hidden-word@127.0.0.1:{free_port()}/x"
    ended = await failed(tmp_path, DATABASE_URL=url)
    assert "does not work" in ended.complaint
    assert "hidden-word" not in ended.complaint + ended.said


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    await failed(tmp_path, LEDGER_FILE="none.sqlite3")
    assert not (tmp_path / "none.sqlite3").exists()


async def test_a_user_that_may_make_no_database_is_told_what_to_do(
    tmp_path: Path, postgres: Postgres
) -> None:
    name = f"poor_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hidden-word'")
    postgres.execute(f"CREATE DATABASE {name} OWNER {name}")
    options = StoreOptions(url=postgres.dsn(name, "hidden-word", name))
    async with opened(options) as store:
        await add(store, 1)
        assert await last_backup(store) is None
        ended = await failed(tmp_path, **environment(options))
        assert "CREATEDB" in ended.complaint
        assert await last_backup(store) is None
        await back_up(tmp_path, options, "--scratch", postgres.dsn())
        assert await last_backup(store) is not None


async def test_an_upload_that_fails_is_no_backup(tmp_path: Path, options: StoreOptions) -> None:
    async with opened(options) as store:
        hooks = ("false {file}", "/no/such/program {file}")
        for hook in hooks:
            ended = await operate(tmp_path, "backup", "--upload-hook", hook, **environment(options))
            assert ended.code == 1
            assert "--upload-hook" in ended.complaint
        assert await last_backup(store) is None


# --- what is one --------------------------------------------------------------------------------


async def test_a_backup_under_load_restores_elsewhere_to_a_moment_of_the_ledger(
    tmp_path: Path, options: StoreOptions, postgres: Postgres
) -> None:
    other = elsewhere(options, postgres, tmp_path / "other")
    async with opened(options) as store:
        for number in range(200):
            await add(store, number)
        async with written(store):
            file = await back_up(tmp_path, options)
        async with store.read() as connection:
            at_the_end = await connection.scalar(select(func.count()).select_from(alerts))
    ended = await operate(tmp_path, "restore", str(file), **environment(other))
    assert ended.code == 0, ended
    async with opened(other) as restored, restored.read() as connection:
        rows = (await connection.execute(select(alerts.c.starts_at))).scalars().all()
        numbers = sorted(int((at - NOON).total_seconds()) for at in rows)
        count = len(numbers)
        # All that was there before, and of what came meanwhile the beginning, without a gap.
        assert numbers == [*range(200), *range(1000, 800 + count)]
        assert at_the_end is not None
        assert 200 < count < at_the_end
        for table in (alert_notes, alert_audit):
            assert await connection.scalar(select(func.count()).select_from(table)) == count


async def test_what_is_restored_is_equal_row_by_row_and_works(
    tmp_path: Path, options: StoreOptions, postgres: Postgres
) -> None:
    other = elsewhere(options, postgres, tmp_path / "other")
    async with opened(options) as store:
        for number in range(20):
            await add(store, number)
    before = held(options)
    file = await back_up(tmp_path, options)
    assert file.stat().st_mode & 0o077 == 0
    assert (await operate(tmp_path, "restore", str(file), **environment(other))).code == 0
    assert held(other) == before
    async with opened(other) as restored:
        await add(restored, 21)
        with pytest.raises(Exception, match="append-only"):
            async with restored.begin() as connection:
                await connection.execute(text("DELETE FROM alert_audit"))


async def test_how_long_a_restore_takes_is_said(tmp_path: Path, options: StoreOptions) -> None:
    async with opened(options) as store:
        await add(store, 1)
    ended = await operate(tmp_path, "backup", **environment(options))
    assert re.search(r"(?m)^verified: to restore and compare it takes \d+\.\d s$", ended.said)


async def test_its_time_is_told_to_metrics_and_moves_with_each(
    tmp_path: Path, options: StoreOptions
) -> None:
    copy = tmp_path / "copy.gz"
    async with opened(options) as store:
        assert await last_backup(store) is None
        start = datetime.now(UTC).timestamp()
        await back_up(tmp_path, options)
        first = await last_backup(store)
        assert first is not None
        assert start <= first <= datetime.now(UTC).timestamp()
        file = await back_up(tmp_path, options, "--upload-hook", f"cp {{file}} '{copy}'")
        second = await last_backup(store)
        assert second is not None
        assert second > first
        assert copy.read_bytes() == file.read_bytes()


async def test_no_scratch_database_and_no_part_is_left(tmp_path: Path, postgres: Postgres) -> None:
    options = StoreOptions(url=new_database(postgres))
    async with opened(options):
        await back_up(tmp_path, options)
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'monitoring_verify_%'"
    assert postgres.execute(left) == "0"
    assert len(list(tmp_path.iterdir())) == 1


# --- restoring ----------------------------------------------------------------------------------


async def test_a_ledger_with_history_is_overwritten_only_if_told(
    tmp_path: Path, options: StoreOptions
) -> None:
    async with opened(options) as store:
        await add(store, 1)
    file = await back_up(tmp_path, options)
    async with opened(options) as store:
        await add(store, 2)
    later = held(options)
    ended = await operate(tmp_path, "restore", str(file), **environment(options))
    assert ended.code == 1
    assert "alerts 2" in ended.complaint
    assert "--replace" in ended.complaint
    assert held(options) == later
    ended = await operate(tmp_path, "restore", "--replace", str(file), **environment(options))
    assert ended.code == 0, ended
    assert held(options)[next(name for name in later if name.endswith("alerts"))].rows == 1


async def test_an_empty_ledger_of_a_service_that_has_started_is_no_obstacle(
    tmp_path: Path, options: StoreOptions, postgres: Postgres
) -> None:
    other = elsewhere(options, postgres, tmp_path / "other")
    async with opened(options) as store, opened(other):
        await add(store, 1)
    file = await back_up(tmp_path, options)
    assert (await operate(tmp_path, "restore", str(file), **environment(other))).code == 0
    assert held(other).keys() == held(options).keys()


@pytest.mark.parametrize("damage", ["cut", "garbage", "changed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_damaged_file_changes_nothing(
    tmp_path: Path, postgres: Postgres, kind: str, damage: str
) -> None:
    (tmp_path / "store").mkdir()
    options = (
        sqlite(tmp_path / "store") if kind == "sqlite" else StoreOptions(url=new_database(postgres))
    )
    async with opened(options) as store:
        await add(store, 1)
    file = await back_up(tmp_path, options)
    before = held(options)
    plain = gzip.decompress(file.read_bytes())
    if damage == "cut":
        # Without gzip's own checksum.
        file.write_bytes(plain[: len(plain) * 2 // 3])
    elif damage == "garbage":
        file.write_bytes(b"\x1f\x8bgarbage")
    elif kind == "sqlite":
        file.write_bytes(plain.replace(b"CREATE TABLE alerts", b"CREATE TABLE alertz"))
    else:
        file.write_bytes(plain.replace(b"auth-service", b"auth-servile"))
    ended = await operate(tmp_path, "restore", "--replace", str(file), **environment(options))
    assert ended.code == 1, ended
    assert held(options) == before


async def test_an_sqlite_file_in_use_is_not_replaced(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    async with opened(options) as store:
        await add(store, 1)
        file = await back_up(tmp_path, options)
        ended = await operate(tmp_path, "restore", "--replace", str(file), **environment(options))
        assert ended.code == 1
        assert "stop the service" in ended.complaint


# --- the runbook's own words --------------------------------------------------------------------


def shell(directory: Path, line: str, url: str) -> None:
    """Run a line as it is printed, in a zone where no day ends between two lines."""
    noon = f"UTC{datetime.now(UTC).hour - 12:+d}"
    ended = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", line],
        cwd=directory,
        env={"PATH": path(), "DATABASE_URL": url, "TZ": noon},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


async def test_the_runbooks_backup_and_restore_work_as_printed(
    tmp_path: Path, postgres: Postgres
) -> None:
    source, target = (StoreOptions(url=new_database(postgres)) for _ in range(2))
    assert source.url is not None
    assert target.url is not None
    async with opened(source) as store:
        for number in range(5):
            await add(store, number)
    shell(tmp_path, "pg_dump $DATABASE_URL > monitoring_backup_$(date +%Y%m%d).sql", source.url)
    shell(tmp_path, "gzip monitoring_backup_$(date +%Y%m%d).sql", source.url)
    (packed,) = tmp_path.iterdir()
    shutil.copy(packed, tmp_path / "theirs.sql.gz")
    packed.rename(tmp_path / "monitoring_backup_20250118.sql.gz")
    shell(tmp_path, "gunzip monitoring_backup_20250118.sql.gz", target.url)
    shell(tmp_path, "psql $DATABASE_URL < monitoring_backup_20250118.sql", target.url)
    assert held(target) == held(source)
    # And ours takes theirs, and theirs ours.
    third, fourth = (StoreOptions(url=new_database(postgres)) for _ in range(2))
    ended = await operate(tmp_path, "restore", "theirs.sql.gz", **environment(third))
    assert ended.code == 0, ended
    assert "was only counted" in ended.said or "does not say" in ended.said
    assert held(third) == held(source)
    (tmp_path / "ours").mkdir()
    file = await back_up(tmp_path / "ours", source)
    assert fourth.url is not None
    shell(file.parent, f"gunzip {file.name}; psql $DATABASE_URL < {file.stem}", fourth.url)
    # Since then, only the time of the backup has changed.
    changed = {name for name, content in held(source).items() if held(fourth)[name] != content}
    assert changed == {"public.facts"}
