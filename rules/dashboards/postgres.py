"""The dashboard of Postgres: is it up and fast, who uses it, what is at risk, what grows?"""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.metric import Metric
from model.platform import Platform
from model.promql import Ratio, Selector, collapsed, max_by, min_by, sum_by
from rules.dashboards import queries
from rules.dashboards.board import Board, written
from rules.dashboards.choices import POSTGRES
from rules.dashboards.page import Section, choose, evenly
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    Panel,
    Text,
    asked,
    line_panel,
    stat_panel,
    timeline_panel,
    with_states,
)
from rules.dashboards.ranges import per_second, percentile
from rules.dashboards.states import ANSWERS, FAILING
from rules.dashboards.topics import Topic, alerts_about, conditions, named
from rules.dashboards.units import BYTES, COUNT, PER_SECOND, SECONDS, SHARE

UID = "monitoring-postgres"

_STATS_HEIGHT, _HEIGHT = 4, 8
_DATABASE = ("target", "datname")
_DATABASE_LEGEND = "{{target}} {{datname}}"
_LARGEST = 10


def build(platform: Platform) -> str:
    """The dashboard's file."""
    return written(
        Board(
            uid=UID,
            title="PostgreSQL",
            about="Postgres: whether it is up and fast, who uses it, and what is at risk.",
            sections=_sections(platform),
            alerts=named(alerts_about(Topic.POSTGRES, platform)),
            variables=(choose(POSTGRES, "PostgreSQL", [one.name for one in platform.postgres]),),
        ),
        platform,
    )


def _sections(platform: Platform) -> Iterator[Section]:
    stats = [_up(), _round_trip_now(), _connections_now(), _longest_now(), _size_now()]
    yield Section(evenly(stats, len(stats)), _STATS_HEIGHT)
    yield Section(evenly([_round_trip(), _transactions(), _rows()]), _HEIGHT, "Work")
    yield Section(evenly([_connections(), _longest(), _locks()]), _HEIGHT, "Who uses it")
    yield Section(evenly([_hits(), _temporary(), _deadlocks()]), _HEIGHT, "Cache and conflicts")
    yield Section(evenly([_sizes(), _tables(), _dead_rows()]), _HEIGHT, "Space")
    kept = [_wal(), _replication(), _slots(), _archiving(), _checkpoints(), _collectors()]
    yield Section(evenly(kept), _HEIGHT, "What has to survive a fault")
    yield from conditions(Topic.POSTGRES, platform)


def _of(metric: Metric, **labels: str) -> Selector:
    return POSTGRES.of(metric, **labels)


# --- now ----------------------------------------------------------------------------------------


def _up() -> Panel:
    text = Text(
        "Up",
        "Whether a new connection can be made and used, as most replicas of the exporter see it. "
        "Down: is the process there, is it full, does it refuse our password? Unknown: nobody is "
        "probing it.",
    )
    up = asked(queries.mostly(collapsed(_of(names.PG_UP))))
    return with_states(stat_panel(text, [up], {0: VERMILLION, 1: GREEN}), ANSWERS)


def _round_trip_now() -> Panel:
    text = Text(
        "Round trip, 95th percentile",
        "How long a trivial query takes, there and back. If it is high: look at what runs and at "
        "who waits for locks, below.",
    )
    trip = percentile("0.95", _of(names.PG_ROUND_TRIP), "target")
    return stat_panel(text, [asked(trip)], {0: GREEN, 0.1: ORANGE, 1: VERMILLION}, SECONDS)


def _connections_now() -> Panel:
    text = Text(
        "Connections taken",
        "Of those that max_connections allows. Near 100 %, services are refused: Who uses it says "
        "whose they are.",
    )
    taken = sum_by(_of(names.PG_STAT_ACTIVITY_COUNT), "target")
    share = Ratio(taken, collapsed(_of(names.PG_SETTINGS_MAX_CONNECTIONS)), at_least=1)
    return stat_panel(text, [asked(share)], {0: GREEN, 0.6: ORANGE, 0.8: VERMILLION}, SHARE)


def _longest_now() -> Panel:
    text = Text(
        "Oldest transaction",
        "How long the oldest transaction has been open. One of many minutes keeps its locks and "
        "hinders vacuum: who has forgotten it?",
    )
    oldest = max_by(_of(names.PG_STAT_ACTIVITY_MAX_TX_DURATION), "target")
    return stat_panel(text, [asked(oldest)], {0: GREEN, 60: ORANGE, 900: VERMILLION}, SECONDS)


def _size_now() -> Panel:
    text = Text(
        "Databases and WAL",
        "Disk space of all databases, and of the WAL. Compare it with the volume: DiskFilling "
        "fires hours before it is full.",
    )
    sizes = [
        asked(sum_by(_of(names.PG_DATABASE_SIZE), "target"), "{{target}} databases"),
        asked(sum_by(_of(names.PG_WAL_SIZE), "target"), "{{target}} WAL"),
    ]
    return stat_panel(text, sizes, {0: SKY_BLUE}, BYTES)


# --- work ---------------------------------------------------------------------------------------


def _round_trip() -> Panel:
    text = Text(
        "Round trip of a trivial query",
        "Percentiles of SELECT 1 on a connection of its own. If the median rises, the server or "
        "the network is slow; if only the 99th does, somebody gets in the way now and then.",
    )
    asks = [
        asked(percentile(q, _of(names.PG_ROUND_TRIP), "target"), f"{{{{target}}}} {words}")
        for q, words in (("0.5", "median"), ("0.95", "95th"), ("0.99", "99th"))
    ]
    return line_panel(text, asks, SECONDS)


def _transactions() -> Panel:
    text = Text(
        "Transactions per second",
        "Committed and rolled back, by database. If rollbacks rise: which service's log has "
        "errors? If commits fall to nothing: do services still reach it?",
    )
    commits, rollbacks = (
        sum_by(per_second(_of(metric)), *_DATABASE)
        for metric in (names.PG_STAT_DATABASE_XACT_COMMIT, names.PG_STAT_DATABASE_XACT_ROLLBACK)
    )
    asks = [
        asked(commits, f"{_DATABASE_LEGEND} committed"),
        asked(rollbacks, f"{_DATABASE_LEGEND} rolled back"),
    ]
    return line_panel(text, asks, PER_SECOND)


def _rows() -> Panel:
    text = Text(
        "Rows per second",
        "Rows that scans read, and rows that were written. Many more read than fetched are tables "
        "read whole: an index may be missing.",
    )
    kinds = {
        "read": names.PG_STAT_DATABASE_TUP_RETURNED,
        "fetched": names.PG_STAT_DATABASE_TUP_FETCHED,
        "inserted": names.PG_STAT_DATABASE_TUP_INSERTED,
        "updated": names.PG_STAT_DATABASE_TUP_UPDATED,
        "deleted": names.PG_STAT_DATABASE_TUP_DELETED,
    }
    asks = [
        asked(sum_by(per_second(_of(metric)), "target"), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


# --- who uses it --------------------------------------------------------------------------------


def _connections() -> Panel:
    text = Text(
        "Connections by application and state",
        "Who is connected, and what for. Many that are idle in transaction: a program forgets to "
        "commit. Many of one application: its pool is too large, or has more replicas than usual.",
    )
    by = ("target", "application_name", "state")
    taken = sum_by(_of(names.PG_STAT_ACTIVITY_COUNT), *by)
    return line_panel(text, [asked(taken, "{{application_name}} {{state}}")], COUNT)


def _longest() -> Panel:
    text = Text(
        "Oldest transaction, by application",
        "How long each application's oldest transaction has been open. End what was forgotten: "
        "SELECT pg_terminate_backend(<pid>).",
    )
    by = ("target", "datname", "application_name")
    oldest = max_by(_of(names.PG_STAT_ACTIVITY_MAX_TX_DURATION), *by)
    return line_panel(text, [asked(oldest, "{{datname}} {{application_name}}")], SECONDS)


def _locks() -> Panel:
    text = Text(
        "Locks by mode",
        "Locks that are held or waited for. Many exclusive ones are a migration, or queries that "
        "wait for one another: pg_blocking_pids() says for whom.",
    )
    locks = sum_by(_of(names.PG_LOCKS_COUNT), "target", "mode")
    return line_panel(text, [asked(locks, "{{target}} {{mode}}")], COUNT)


# --- cache and conflicts ------------------------------------------------------------------------


def _hits() -> Panel:
    text = Text(
        "Blocks found in the cache",
        "The share of blocks that did not have to be read from disk; none under ten a second. "
        "99 % is usual; when it falls, tables are read whole or the cache is too small.",
    )
    hit, read = (
        sum_by(per_second(_of(metric)), *_DATABASE)
        for metric in (names.PG_STAT_DATABASE_BLKS_HIT, names.PG_STAT_DATABASE_BLKS_READ)
    )
    share = Ratio(hit, hit + read, at_least=10)
    return line_panel(text, [asked(share, _DATABASE_LEGEND)], SHARE).no_value("none")


def _temporary() -> Panel:
    text = Text(
        "Temporary files",
        "Bytes a second that sorts and joins wrote to disk, since work_mem was too small for "
        "them. Find the query in the log (log_temp_files) before raising work_mem.",
    )
    written_bytes = sum_by(per_second(_of(names.PG_STAT_DATABASE_TEMP_BYTES)), *_DATABASE)
    return line_panel(text, [asked(written_bytes, _DATABASE_LEGEND)], "Bps")


def _deadlocks() -> Panel:
    text = Text(
        "Deadlocks and conflicts per second",
        "Transactions that Postgres aborted since they waited for each other, and queries that a "
        "replica cancelled. The log names both statements: lock rows in one order.",
    )
    kinds = {
        "deadlocks": names.PG_STAT_DATABASE_DEADLOCKS,
        "conflicts": names.PG_STAT_DATABASE_CONFLICTS,
    }
    asks = [
        asked(sum_by(per_second(_of(metric)), *_DATABASE), f"{_DATABASE_LEGEND} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


# --- space --------------------------------------------------------------------------------------


def _sizes() -> Panel:
    text = Text(
        "Size of each database",
        "Disk space. If one grows faster than business does: archive what is old, vacuum what was "
        "deleted from.",
    )
    sizes = max_by(_of(names.PG_DATABASE_SIZE), *_DATABASE)
    return line_panel(text, [asked(sizes, _DATABASE_LEGEND)], BYTES)


def _tables() -> Panel:
    text = Text(
        f"Largest tables, the top {_LARGEST}",
        "Disk space of tables without their indexes. One that grows and is never cleaned up: "
        "archive its old rows.",
    )
    sizes = max_by(_of(names.PG_STAT_USER_TABLES_TABLE_SIZE), *_DATABASE, "relname")
    asks = [asked(queries.top(_LARGEST, sizes), "{{datname}} {{relname}}")]
    return line_panel(text, asks, BYTES)


def _dead_rows() -> Panel:
    text = Text(
        f"Dead rows, the top {_LARGEST}",
        "Rows that vacuum has yet to clean up. If they only rise: is vacuum held up by an old "
        "transaction or a slot, or turned off for that table?",
    )
    rows = max_by(_of(names.PG_STAT_USER_TABLES_N_DEAD_TUP), *_DATABASE, "relname")
    asks = [asked(queries.top(_LARGEST, rows), "{{datname}} {{relname}}")]
    return line_panel(text, asks, COUNT)


# --- what has to survive ------------------------------------------------------------------------


def _wal() -> Panel:
    text = Text(
        "WAL on disk",
        "Disk space of the WAL. If it only grows: it is kept for a slot that nobody reads, or "
        "cannot be archived. Never delete its files by hand.",
    )
    return line_panel(text, [asked(max_by(_of(names.PG_WAL_SIZE), "target"))], BYTES)


def _replication() -> Panel:
    text = Text(
        "Replication lag",
        "How far a replica is behind; 0 on a primary. If it rises: does a long query hold up "
        "recovery, or is the network too slow?",
    )
    return line_panel(text, [asked(collapsed(_of(names.PG_REPLICATION_LAG)))], SECONDS)


def _slots() -> Panel:
    text = Text(
        "WAL kept for replication slots",
        "What each slot keeps from being removed; none where there is no slot. One that only grows "
        "has lost its reader: start it, or drop the slot.",
    )
    kept = max_by(_of(names.PG_REPLICATION_SLOTS_WAL_LSN_DIFF), "target", "slot_name")
    panel = line_panel(text, [asked(kept, "{{target}} {{slot_name}}")], BYTES)
    return panel.no_value("none")


def _archiving() -> Panel:
    text = Text(
        "Archiving of WAL",
        "Files archived and failed attempts, a second. If attempts fail: what does Postgres' log "
        "say of archive_command? Without the archive nothing can be restored to a point in time.",
    )
    kinds = {
        "archived": names.PG_STAT_ARCHIVER_ARCHIVED_COUNT,
        "failed": names.PG_STAT_ARCHIVER_FAILED_COUNT,
    }
    asks = [
        asked(sum_by(per_second(_of(metric)), "target"), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


def _checkpoints() -> Panel:
    text = Text(
        "Checkpoints per second",
        "Scheduled ones, and those that were requested since WAL had grown too large. If most are "
        "requested: raise max_wal_size.",
    )
    kinds = {
        "scheduled": names.PG_STAT_BGWRITER_CHECKPOINTS_TIMED,
        "requested": names.PG_STAT_BGWRITER_CHECKPOINTS_REQ,
    }
    asks = [
        asked(sum_by(per_second(_of(metric)), "target"), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


def _collectors() -> Panel:
    text = Text(
        "Statistics that cannot be read",
        "Collectors that fail; none when all succeed. What they would tell is missing here: grant "
        "the role what it lacks (docs/postgres.md), the exporter's log says what.",
    )
    failing = (
        min_by(_of(names.PG_COLLECTOR_SUCCESS), "target", "collector") < queries.MAJORITY
    ) * 0 + 1
    panel = timeline_panel(text, [asked(failing, "{{target}}: {{collector}}")], FAILING, 12)
    return panel.no_value("none")
