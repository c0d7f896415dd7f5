"""`python -m rules diff <revision>`: what a change of the config means for the people on call."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

from rules.changes import Change, Situation, changes, situation
from rules.output import Files
from rules.revision import Revision, RevisionError, revision
from rules.tree import UnreadableError

_WIDTH = 100


@dataclass(frozen=True)
class Difference:
    """The text that is printed, and whether there is any difference."""

    text: str
    differs: bool


def diff(name: str, files: Files, directory: Path) -> Difference:
    """Compare a revision's generated files with those that are given. Raises RevisionError."""
    old = revision(name, directory)
    before, after = _read(old), situation(files)
    found = changes(before, after)
    lines = [f"from {old.shown}", "to   the config as it stands here", ""]
    for change in found:
        lines += [*_shown(change), ""]
    if before.targets is None:
        lines += [
            "Which services were added or removed is not known: that revision lists none.",
            "",
        ]
    if not found:
        lines.append("nothing changed for the people on call")
    return Difference("\n".join(lines).rstrip(), bool(found))


def _read(old: Revision) -> Situation:
    try:
        return situation(old.files)
    except (UnreadableError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())[:200]
        raise RevisionError(
            f"{old.shown}: its generated files are not such as are read here: "
            f"{type(error).__name__}: {what}"
        ) from error


def _shown(change: Change) -> list[str]:
    lines = [change.title]
    for line in change.lines:
        lines += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines
