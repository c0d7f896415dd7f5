"""Are rules, routes, dashboards and alert pages what the config says?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from exporter.operations.checks import rules
from exporter.operations.looks.desk import Desk
from exporter.operations.looks.outcome import Outcome, by_hand, fine, of_findings, unknown, wrong
from exporter.operations.looks.program import NotRunError, run
from model.visible import printable

_SECONDS = 300.0
_GENERATED = Path("rules/generated")


async def documentation(desk: Desk) -> Sequence[Outcome]:
    """The files of this repository, where this is one, and the rules that Prometheus has."""
    return [
        await _files(),
        *of_findings(await rules.check(desk.patient)),
        by_hand("does the runbook still hold (docs/runbook.md)?", "Mend what was found wrong."),
    ]


async def runbooks(desk: Desk) -> Sequence[Outcome]:
    """The pages of alerts are made from the config: it is the config that people update."""
    del desk
    return [by_hand("what was missing in a runbook this week", "config.py, then `make rules`.")]


async def _files() -> Outcome:
    if not _GENERATED.is_dir() or find_spec("rules") is None or find_spec("promql_parser") is None:
        return unknown("generated files: this is no checkout of the repository; `make check` there")
    try:
        ended = await run((sys.executable, "-m", "rules", "--check"), _SECONDS)
    except NotRunError as error:
        return unknown(f"generated files: {error}")
    if ended.code == 0:
        return fine("generated files are what the config says")
    last = printable(ended.complaint.strip().rpartition("\n")[2])
    return wrong(f"generated files: {last}", "`make check` says all of it; `make rules` mends it.")
