"""`python -m bench`: measures the rows, prints the table, writes docs/performance.md."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import kept as results
from bench import (
    rows_archive,
    rows_databases,
    rows_hanging,
    rows_ledger,
    rows_many,
    rows_memory,
    rows_paced,
    rows_saturated,
    rows_truth,
)
from bench.kept import Kept
from bench.nginx import Nginx
from bench.ours import ROOT
from bench.peers import Blackbox, PostgresExporter, RedisExporter, said_version
from bench.report import document, write
from bench.rounds import DisturbedError, Plan
from bench.table import Row, plain
from bench.workshop import BenchError, Workshop
from exporter.version import VERSION
from programs import (
    PROGRAMS,
    FetchError,
    MissingProgramError,
    ServerError,
    find,
    version,
)

_PLAIN_PORTS, _SECURE_PORTS = 200, 50

_ROWS: Mapping[str, Callable[[Workshop], list[Row]]] = {
    "a": rows_saturated.plain,
    "b": rows_paced.paced,
    "c": rows_saturated.encrypted,
    "d": rows_databases.postgres,
    "e": rows_databases.redis,
    "f": rows_memory.memory,
    "g": rows_hanging.hanging,
    "hi": rows_many.many,
    "l": rows_ledger.ingestion,
    "m": rows_ledger.listing,
    "n": rows_archive.archive,
    "t": rows_truth.truth,
    "t2": rows_truth.truth_with_ledger,
}


@click.command()
@click.option("--quick", is_flag=True, help="One short round of each, and nothing written.")
@click.option("--row", "chosen", multiple=True, type=click.Choice(list(_ROWS)), help="Only these.")
@click.option("--limit", default=0.1, help="What share of the machine others may use in a round.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "performance.md",
    help="Where the document goes, and beside it what was measured, as .json.",
)
def main(*, quick: bool, chosen: Sequence[str], limit: float, output: Path) -> None:
    """Measure ours and the peers side by side."""
    plan = Plan(rounds=1, seconds=2.0, limit=limit, attempts=1) if quick else _full(limit)
    try:
        known = results.read(output.with_suffix(".json")) if chosen else {}
        groups, versions = _measured(plan, tuple(chosen) or tuple(_ROWS), quick=quick)
    except (BenchError, DisturbedError, FetchError, MissingProgramError, ServerError) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(1)
    rows = [row for group in groups.values() for row in group]
    click.echo(plain(rows))
    for row in rows:
        for note in row.notes:
            click.echo(f"({row.key}) {note}")
    today = datetime.now(UTC).date()
    new = {key: results.kept(group, plan, versions, today) for key, group in groups.items()}
    if quick:
        click.echo("nothing is written: one short round is no measure")
    else:
        _keep(output, known | new)


def _keep(output: Path, groups: Mapping[str, Kept]) -> None:
    """Write the document, if there is something of every row."""
    missing = [key for key in _ROWS if key not in groups]
    if missing:
        click.echo(f"nothing is written: rows {', '.join(missing)} were never kept: run all of it")
        return
    ordered = {key: groups[key] for key in _ROWS}
    results.write(output.with_suffix(".json"), ordered)
    write(output, document(ordered))
    click.echo(f"written to {output}")


def _full(limit: float) -> Plan:
    # One try more than rounds: 15 minutes in all on a quiet machine, under 20 on any.
    return Plan(rounds=5, seconds=60.0, limit=limit, attempts=6)


def _measured(
    plan: Plan, chosen: Sequence[str], *, quick: bool
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        nginx = running.enter_context(
            Nginx(directory / "nginx", plain=_PLAIN_PORTS, secure=_SECURE_PORTS)
        )
        shop = Workshop(directory, plan, quick, nginx)
        groups: dict[str, list[Row]] = {}
        for key in chosen:
            started = time.monotonic()
            groups[key] = _ROWS[key](shop)
            click.echo(f"({key}) measured in {time.monotonic() - started:.0f} s", err=True)
    return groups, _versions()


def _versions() -> dict[str, str]:
    peers = {
        kind.name: said_version(kind.fetched(), "--version")
        for kind in (Blackbox, PostgresExporter, RedisExporter)
    }
    own = ("prometheus", "postgres", "redis-server")
    return {
        "tickettoken-monitoring": f"{VERSION} on Python {platform.python_version()}",
        **peers,
        **{name: version(find(name)) for name in own},
        "nginx": version(find("nginx"), PROGRAMS["nginx"].version_argument),
    }


if __name__ == "__main__":
    main()
