"""Two minutes, at most, of targets that fail at random: nothing leaks and nothing gets lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import soak
from bench.soak_report import verdicts

SECONDS = 90.0
SERVICES = 8


@pytest.mark.timeout(240)
async def test_exporter_among_failing_targets_stays_as_it_is(tmp_path: Path) -> None:
    outcome = await soak(SECONDS, SERVICES, seed=3, directory=tmp_path)

    assert sum(outcome.faults.values()) > SERVICES
    assert [verdict for verdict in verdicts(outcome) if not verdict.held] == []
