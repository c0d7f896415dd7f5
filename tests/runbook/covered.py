"""The table of docs/runbook.md: what of the user's runbook is in which class, and what shows it.

python tests/runbook/covered.py writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[1:1] = [str(HERE.parent / name) for name in ("ledger", "deploy", "probers", "..")]

from classes import Checked, Classified, Outside, Run, named  # noqa: E402
from classified import CHECKED, OUTSIDE, RUN  # noqa: E402
from printed import OURS, USERS, read  # noqa: E402

BEGIN = "<!-- coverage: written by tests/runbook/covered.py -->\n"
END = "<!-- end of coverage -->\n"
C = TypeVar("C", Run, Checked, Outside)
_HEAD = "| section | run | checked | outside | items | what is shown |\n|---|---|---|---|---|---|\n"


def counts(section: str | None = None) -> tuple[int, int, int]:
    """How many lines are run, checked and outside; of one section, or of all."""
    return _number(RUN, section), _number(CHECKED, section), _number(OUTSIDE, section)


def summary() -> str:
    """The counts, in words."""
    document = read(USERS)
    run, checked, outside = counts()
    return (
        f"the user's runbook has {len(document.lines)} lines in its blocks: {run} are run as "
        f"printed, {checked} are checked against our artefacts, {outside} are outside our reach; "
        f"and {len(document.items)} items in its prose"
    )


def table() -> str:
    """A row for each section that has lines or items, in its order."""
    document = read(USERS)
    rows = []
    for section in document.headings:
        lines = counts(section)
        items = sum(item.section == section for item in document.items)
        if any(lines) or items:
            shown = "; ".join(dict.fromkeys(_shown(section))) or "`served.toml`"
            cells = (section, *map(str, lines), str(items), shown)
            rows.append(f"| {' | '.join(cells)} |\n")
    return f"\n{summary().capitalize()}.\n\n{_HEAD}{''.join(rows)}\n"


def _number(classified: tuple[Classified, ...], section: str | None) -> int:
    return sum(len(one.parts) for one in classified if section in (one.section, None))


def _shown(section: str) -> Iterator[str]:
    for run in _of(RUN, section):
        yield named(run.shows)
    for checked in _of(CHECKED, section):
        yield f"*checked:* {named(checked.holds)}"
    for outside in _of(OUTSIDE, section):
        yield f"*outside:* {outside.reason}"


def _of(classified: tuple[C, ...], section: str) -> Iterator[C]:
    return (one for one in classified if one.section == section)


def written(text: str) -> str:
    """Our runbook with the table as it should be. ValueError where its marks are not."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("docs/runbook.md has no place for the table")
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    OURS.write_text(written(OURS.read_text(encoding="utf-8")), encoding="utf-8")
