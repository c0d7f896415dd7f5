"""The changes that need not be noticed: listed by name, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rules.mutate.trial import Outcome

ALIKE = Path(__file__).with_name("alike.toml")


@dataclass(frozen=True)
class Alike:
    """Changes of one alert that look alike to every test; `what` may hold `*`."""

    alert: str
    what: str
    reason: str

    def covers(self, alert: str, change: str) -> bool:
        """Whether it excuses a change."""
        return alert == self.alert and fnmatchcase(change, self.what)


def read(path: Path = ALIKE) -> list[Alike]:
    """The list. Raises OSError, tomllib.TOMLDecodeError, and ValueError at an empty reason."""
    found = [
        Alike(alert, what, str(reason).strip())
        for alert, changes in tomllib.loads(path.read_text(encoding="utf-8")).items()
        for what, reason in changes.items()
    ]
    for one in found:
        if not one.reason:
            raise ValueError(f"{path.name}: {one.alert}, {one.what!r}: the reason is missing")
    return found


def judge(outcomes: list[Outcome], alike: list[Alike], *, quick: bool) -> Iterator[str]:
    """What is wrong: survivors that are not listed, and, unless `quick`, needless entries."""
    for outcome in outcomes:
        for change in outcome.survived:
            if not any(one.covers(outcome.alert, change) for one in alike):
                yield f"{outcome.alert}: no test notices: {change}"
    for one in () if quick else alike:
        survived = next((o.survived for o in outcomes if o.alert == one.alert), ())
        if not any(one.covers(one.alert, change) for change in survived):
            yield f"{one.alert}: {one.what!r} is listed, but no such change survives: remove it"
