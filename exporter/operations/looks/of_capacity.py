"""How the service itself has performed, and what will be full when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from exporter.operations.checks import disk, growth
from exporter.operations.looks.desk import Desk
from exporter.operations.looks.outcome import Outcome, fine, of_findings, unknown, wrong
from exporter.operations.prometheus import value_of
from exporter.operations.words import size
from model import names
from model.jobs import JOB

_MONTH, _WEEK, _AHEAD = "30d", "7d", timedelta(days=30)
# Prometheus has to have seen so much of the past for a forecast to mean anything.
_LEAST = timedelta(days=1)
# Probes' times are true while the loop is not held for longer than this.
_MOST_LAG = 0.1
# Of what there is, the share from which on people should act: the runbook's for memory.
_MOST = 0.8


async def performance(desk: Desk) -> Sequence[Outcome]:
    """The worst of 30 days, as far back as Prometheus remembers; memory is that of now."""
    interval = desk.platform.watched_by.scrape_interval.total_seconds()
    return [
        await _worst(
            desk,
            "a scrape of the service",
            f'max(max_over_time({names.SCRAPE_DURATION.name}{{job="{JOB}"}}[{_MONTH}]))',
            interval / 2,
        ),
        await _worst(
            desk,
            "the event loop's lag",
            f"max(max_over_time({names.EVENT_LOOP_LAG.name}[{_MONTH}]))",
            _MOST_LAG,
        ),
        await _worst(
            desk,
            "the slowest of 1,000 probes' starts",
            "histogram_quantile(0.999, sum by (le) "
            f"(increase({names.PROBE_START_DELAY.name}_bucket[{_MONTH}])))",
            _MOST_LAG,
        ),
        _memory(desk),
    ]


async def capacity(desk: Desk) -> Sequence[Outcome]:
    """Disk, the store, connections and memory, in 30 days."""
    patient = desk.patient
    found = of_findings([*await disk.check(patient), *await growth.check(patient)])
    return [*found, *await _connections(desk), await _memory_ahead(desk)]


async def _worst(desk: Desk, what: str, query: str, most: float) -> Outcome:
    value = await _asked(desk, query)
    if value is None:
        return unknown(f"{what}: no Prometheus knows it")
    state = f"{what} took {value:.3f} s at most in 30 days"
    if value <= most:
        return fine(state)
    return wrong(state, f"{most:g} s are the most that is well: docs/dashboards.md, Monitoring.")


def _memory(desk: Desk) -> Outcome:
    metrics = desk.patient.metrics
    if metrics is None:
        return unknown("memory: no service is running here")
    used = metrics.get(names.RESIDENT_MEMORY.name, 0.0)
    limit = metrics.get(names.MEMORY_LIMIT.name)
    if limit is None:
        return fine(f"the service has {size(used)} of memory, and no limit")
    state = f"the service has {size(used)} of {size(limit)} of memory"
    if used <= _MOST * limit:
        return fine(state)
    return wrong(state, "Raise the limit (docs/runbook.md, High Memory Usage), or look for a leak.")


async def _memory_ahead(desk: Desk) -> Outcome:
    own = f'{names.RESIDENT_MEMORY.name}{{job="{JOB}"}}'
    limit = (desk.patient.metrics or {}).get(names.MEMORY_LIMIT.name)
    then = await _ahead(desk, f"max({own})")
    if then is None:
        return unknown("memory in 30 days: no Prometheus has watched it for a day")
    state = f"the service will have {size(then)} of memory in 30 days"
    if limit is None or then <= _MOST * limit:
        return fine(state)
    return wrong(f"{state}, and may have {size(limit)}", "Raise the limit, or look for a leak.")


async def _connections(desk: Desk) -> list[Outcome]:
    """Of each Postgres of the config."""
    found = []
    for target in desk.platform.postgres:
        only = f"{{target={json.dumps(target.name)}}}"
        most = await _asked(desk, f"max(pg_settings_max_connections{only})")
        then = await _ahead(desk, f"sum({names.PG_STAT_ACTIVITY_COUNT.name}{only})")
        if most is None or then is None:
            found.append(
                unknown(
                    f"connections of {target.name} in 30 days: no Prometheus has watched it "
                    "for a day"
                )
            )
            continue
        state = f"{target.name} will have {max(0.0, then):.0f} of {most:.0f} connections in 30 days"
        found.append(
            fine(state)
            if then <= _MOST * most
            else wrong(state, "Raise max_connections, or put a pooler between.")
        )
    return found


async def _ahead(desk: Desk, series: str) -> float | None:
    """What it will be in 30 days by the last week; None where less than a day of it is known."""
    window = f"({series})[{_WEEK}:10m]"
    # Samples of a subquery are ten minutes apart.
    known = await _asked(desk, f"count_over_time({window})")
    if known is None or known * timedelta(minutes=10) < _LEAST:
        return None
    return await _asked(desk, f"predict_linear({window}, {_AHEAD.total_seconds():.0f})")


async def _asked(desk: Desk, query: str) -> float | None:
    addresses = desk.platform.watched_by.prometheus
    return await value_of(desk.patient.session, addresses, query)
