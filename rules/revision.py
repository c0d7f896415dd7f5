"""The generated files of a git revision.

They are read and not made anew: what was committed is what was deployed, and running the config of
another time with the model of today would tell of the model's changes too.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rules import routing, runbooks, scrape
from rules.output import Files

_RULES = "rules/generated"
_LONGEST = 300


class RevisionError(Exception):
    """A revision that cannot be read; the message says why."""


@dataclass(frozen=True)
class Revision:
    """A commit: how people name it, and the generated files that it has."""

    shown: str
    files: Files


def revision(name: str, directory: Path) -> Revision:
    """The generated files below a directory, as they were in a revision. Raises RevisionError."""
    if shutil.which("git") is None:
        raise RevisionError("git is not on the PATH, so that no revision can be read")
    if _git(directory, "rev-parse", "--is-inside-work-tree") is None:
        raise RevisionError(f"{directory.resolve().name} is not in a git working tree")
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options",
                  f"{name}^{{commit}}")  # fmt: skip
    if commit is None:
        raise RevisionError(f'there is no revision "{name[:_LONGEST]}"; git log lists them')
    commit = commit.strip()
    files = {path: _show(directory, commit, path) for path in _paths(directory, commit)}
    shown = (_git(directory, "log", "-1", "--format=%h %s", commit) or commit).strip()
    if routing.PATH not in files or not any(path.startswith(_RULES) for path in files):
        raise RevisionError(
            f"{shown}: has no generated rules and routes ({_RULES}, {routing.PATH}) to compare with"
        )
    return Revision(shown[:_LONGEST], files)


def _paths(directory: Path, commit: str) -> list[str]:
    places = (_RULES, routing.PATH, scrape.PATH, runbooks.FOLDER)
    listed = _git(directory, "ls-tree", "-r", "-z", "--name-only", commit, "--", *places) or ""
    return [
        path
        for path in listed.split("\0")
        if path.endswith((".rules.yml", ".md")) or path in (routing.PATH, scrape.PATH)
    ]


def _show(directory: Path, commit: str, path: str) -> str:
    text = _git(directory, "show", f"{commit}:./{path}")
    if text is None:
        raise RevisionError(f"{commit[:12]}: git cannot show {path}")
    return text


def _git(directory: Path, *arguments: str) -> str | None:
    """What git says, None if it refuses."""
    done = subprocess.run(
        ["git", *arguments], cwd=directory, capture_output=True, timeout=60, check=False
    )
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
