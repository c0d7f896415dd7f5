"""docs/performance.md: the table, the machine, and how each figure was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.kept import Kept
from bench.table import markdown

_INTRODUCTION = """\
# Performance

Written by `make bench`; don't edit. `make bench QUICK=1` is for a look, and writes nothing.
`python -m bench --row n` measures a row anew and leaves the others; beside each stands the day on
which it was measured.

Ours and the peers run side by side on one machine, on the same targets (nginx, Postgres, Redis of
this machine), in interleaved rounds (ours, peer, ours, peer, …). Figures are medians with their
ranges. CPU is user and system time of a process and its children. A round during which other
processes, or the hypervisor, took more than {limit} of the machine is dropped and counted; the
column before the last has rounds kept and dropped, ours and the peer's.
"""


def document(groups: Mapping[str, Kept]) -> str:
    """The text of the document, of groups in the order of the table."""
    rounds = [sum(one.rounds_kept for one in groups.values())]
    rounds.append(sum(one.rounds_dropped for one in groups.values()))
    machines = _alike({key: one.machine for key, one in groups.items()})
    limits = sorted({one.limit for one in groups.values()})
    rows = ((*cells, str(one.measured)) for one in groups.values() for cells in one.cells)
    return "\n".join(
        (
            _INTRODUCTION.format(limit=" or ".join(f"{limit:.0%}" for limit in limits)),
            f"Machine: {'; '.join(machines)}. Rounds kept: {rounds[0]}, dropped: {rounds[1]}.\n",
            markdown(rows),
            "\n## How it was measured\n",
            *(f"- {note}" for one in groups.values() for note in one.notes),
            "\n## Versions\n",
            *(f"- {line}" for line in _versions(groups)),
            "",
        )
    )


def _versions(groups: Mapping[str, Kept]) -> Iterator[str]:
    for name in dict.fromkeys(name for one in groups.values() for name in one.versions):
        having = {key: one.versions[name] for key, one in groups.items() if name in one.versions}
        for version in _alike(having):
            yield f"{name} {version}"


def _alike(texts: Mapping[str, str]) -> list[str]:
    """What stands for groups of rows: once if it is the same for all, else each with its rows."""
    found: dict[str, list[str]] = {}
    for key, text in texts.items():
        found.setdefault(text, []).append(key)
    if len(found) == 1:
        return list(found)
    return [f"{text} (rows {', '.join(keys)})" for text, keys in found.items()]


def write(path: Path, text: str) -> None:
    """Write the document."""
    path.write_text(text, encoding="utf-8")
