"""The ledger's rows give their figures in quick mode; how large they are, the bench says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.nginx import Nginx
from bench.rounds import Plan
from bench.rows_archive import archive
from bench.rows_ledger import ingestion, listing
from bench.rows_truth import measured
from bench.table import Met, Row
from bench.truth import DURATION
from bench.workshop import Workshop

# A machine that is busy with other tests disturbs every round, which is no matter here.
PLAN = Plan(rounds=1, seconds=2.0, limit=1.0, attempts=3)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (
            ingestion,
            {
                "webhooks taken in, SQLite",
                "webhooks taken in, Postgres",
                "answer to a webhook, SQLite, p99",
                "answer to a webhook, Postgres, p99",
            },
        ),
        (
            listing,
            {
                "list of active alerts, p99",
                "list of active alerts, p50",
                "statistics over 30 days",
            },
        ),
        (
            archive,
            {
                "list of active alerts while rows are archived, p99",
                "list of active alerts while rows are archived, p50",
            },
        ),
    ],
    ids=["ingestion", "listing", "archive"],
)
def test_each_row_of_the_ledger_has_its_figure(
    tmp_path: Path, measure: Callable[[Workshop], list[Row]], expected: set[str]
) -> None:
    with Nginx(tmp_path / "nginx", plain=20, secure=1) as nginx:
        rows = measure(Workshop(tmp_path, PLAN, quick=True, nginx=nginx))
    assert {row.what for row in rows} == expected
    assert all(row.ours.median > 0 for row in rows)
    assert [row.what for row in rows if row.met is Met.NOTHING] == [
        row.what for row in rows if row.most is None and row.most_ratio is None
    ]
    assert any("event loop was late" in note for row in rows for note in row.notes)


def test_times_are_told_while_alerts_come_in_and_are_read(tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", plain=1, secure=1) as nginx:
        sides = measured(Workshop(tmp_path, PLAN, quick=True, nginx=nginx), PLAN, 3, 2, ledger=True)
    for side in sides.values():
        assert side.spread("results").median > 0
        assert side.spread(f"{DURATION} p99").median > 0
