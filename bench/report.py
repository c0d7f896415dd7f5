"""docs/performance.md: the table, the machine, and how each figure was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.rounds import Plan
from bench.table import Row, markdown
from bench.usage import cpu_model

_INTRODUCTION = """\
# Performance

Written by `make bench`; don't edit. `make bench QUICK=1` takes two minutes and proves little.

Ours and the peers run side by side on one machine, on the same targets (nginx, Postgres, Redis of
this machine), in interleaved rounds (ours, peer, ours, peer, …). Figures are medians with their
ranges. CPU is user and system time of a process and its children. A round during which other
processes, or the hypervisor, took more than {limit:.0%} of the machine is dropped and counted; the
last column has rounds kept and dropped, ours and the peer's.
"""


def document(rows: Sequence[Row], plan: Plan, versions: Mapping[str, str]) -> str:
    """The text of the document."""
    measured = [spread for row in rows for spread in (row.ours, row.peer) if spread is not None]
    kept, dropped = sum(s.kept for s in measured), sum(s.dropped for s in measured)
    machine = f"{cpu_model()}, Linux {platform.release()}"
    programs = [f"- {name} {version}" for name, version in versions.items()]
    notes = [f"- **({row.key})** {note}" for row in rows if row.notes for note in row.notes]
    return "\n".join(
        (
            _INTRODUCTION.format(limit=plan.limit),
            f"Machine: {machine}. Rounds kept: {kept}, dropped: {dropped}.\n",
            markdown(rows),
            "\n## How it was measured\n",
            *notes,
            "\n## Versions\n",
            *programs,
            "",
        )
    )


def write(path: Path, text: str) -> None:
    """Write the document."""
    path.write_text(text, encoding="utf-8")
