"""The changes that need not be noticed: listed by name, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

from rules.mutate.trial import Outcome

ALIKE = Path(__file__).with_name("alike.toml")


@dataclass(frozen=True)
class Alike:
    """Changes that look alike to every test; `what` may hold `*`.

    `rule` is the title of one rule, or a name: then it is about all rules of that name.
    """

    rule: str
    what: str
    reason: str

    @property
    def name(self) -> str:
        """The rule's name."""
        return _name(self.rule)

    def is_about(self, rule: str) -> bool:
        """Whether it excuses changes of the rule of this title."""
        return self.rule in (rule, _name(rule))

    def covers(self, rule: str, change: str) -> bool:
        """Whether it excuses a change."""
        return self.is_about(rule) and fnmatchcase(change, self.what)


def _name(title: str) -> str:
    return title.partition("{")[0]


def read(path: Path = ALIKE) -> list[Alike]:
    """The list. Raises OSError, tomllib.TOMLDecodeError, KeyError, and ValueError at no reason."""
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("alike", []):
        reason = str(entry.get("reason", "")).strip()
        for rule, what in product(entry["rules"], entry["changes"]):
            if not reason:
                raise ValueError(f"{path.name}: {rule}, {what!r}: the reason is missing")
            found.append(Alike(rule, what, reason))
    return found


def judge(outcomes: list[Outcome], alike: list[Alike], *, quick: bool) -> Iterator[str]:
    """What is wrong: survivors that are not listed, and, unless `quick`, entries that are not so.

    An entry is to excuse survivors and nothing else: one that covers a change which is noticed
    would hide that some day it no longer is.
    """
    for outcome in outcomes:
        for change in outcome.survived:
            if not any(one.covers(outcome.rule, change) for one in alike):
                yield f"{outcome.rule}: no test notices: {change}"
    for one in () if quick else alike:
        own = [outcome for outcome in outcomes if one.is_about(outcome.rule)]
        if not any(one.covers(o.rule, change) for o in own for change in o.survived):
            yield f"{one.rule}: {one.what!r} is listed, but no such change survives: remove it"
        for outcome in own:
            for change in outcome.caught:
                if one.covers(outcome.rule, change):
                    said = f"{one.rule}: {one.what!r} is too wide"
                    yield f"{said}: a test of {outcome.rule} notices {change}"
