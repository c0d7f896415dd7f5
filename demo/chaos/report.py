"""docs/chaos.md: what was done, and what the ledger had at the end."""

from __future__ import annotations

from collections.abc import Sequence

from demo.chaos.episodes import TOLERANCE
from demo.chaos.run import Outcome

_MOST_SHOWN = 20
_ABOUT = f"""\
# Chaos

Written by `make chaos`; don't edit.

Lamps are switched at random. A real Prometheus evaluates rules about them every second, a real
Alertmanager tells the ledger by the route that the compiler makes. Meanwhile exporters are killed
(-9), and Postgres is restarted (once `immediate`). Every run of `ALERTS` must be in the ledger
exactly once, its start and its end at most {TOLERANCE:g} s (two evaluations) from what `ALERTS`
shows, and nothing else. Runs that are less than two evaluations apart may be one.

"""
_HEAD = """\
| chain | starts and ends | episodes | in the ledger | kills | restarts | took | level in | wrong |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def document(outcomes: Sequence[Outcome]) -> str:
    """The page."""
    lines = [*_ABOUT.splitlines(), *_HEAD.splitlines(), *map(_row, outcomes)]
    for outcome in outcomes:
        if outcome.differences:
            lines += ["", f"## {outcome.wanted}", ""]
            lines += [f"- {difference}" for difference in outcome.differences[:_MOST_SHOWN]]
    return "\n".join([*lines, ""])


def _row(outcome: Outcome) -> str:
    restarts = outcome.havoc.restarts if outcome.wanted.store == "postgresql" else 0
    cells = (
        outcome.wanted,
        outcome.transitions,
        outcome.episodes,
        outcome.rows,
        outcome.havoc.kills,
        restarts,
        f"{outcome.seconds:.0f} s",
        f"{outcome.caught_up_seconds:.0f} s",
        len(outcome.differences),
    )
    return f"| {' | '.join(map(str, cells))} |"
