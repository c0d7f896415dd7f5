"""What a look at an item of a checklist has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from exporter.operations.checks.finding import Finding


class State(StrEnum):
    """How it is, in the words that are printed; the worst first."""

    WRONG = "WRONG"
    UNKNOWN = "unknown"
    BY_HAND = "by hand"
    FINE = "ok"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A sentence; `do` is what to do where it is wrong or left to people."""

    state: State
    what: str
    do: str = ""


def fine(what: str) -> Outcome:
    """It is as it should be."""
    return Outcome(State.FINE, what)


def wrong(what: str, do: str) -> Outcome:
    """Somebody has to do something."""
    return Outcome(State.WRONG, what, do)


def unknown(what: str) -> Outcome:
    """Nobody could look, and why: that is never the same as fine."""
    return Outcome(State.UNKNOWN, what)


def by_hand(what: str, do: str = "") -> Outcome:
    """Only a person can do it: it is not claimed to be done."""
    return Outcome(State.BY_HAND, what, do)


def worst(outcomes: Iterable[Outcome]) -> State:
    """The state of an item, or of a list."""
    found = {outcome.state for outcome in outcomes}
    return next((state for state in State if state in found), State.FINE)


def of_findings(findings: Iterable[Finding]) -> list[Outcome]:
    """What the doctor's checks have found: in a checklist, advice is something to do."""
    return [_of(finding) for finding in findings]


def _of(finding: Finding) -> Outcome:
    if name := finding.fault or finding.advice:
        return wrong(f"{name}: {finding.what}", finding.do)
    return fine(finding.what) if finding.examined else unknown(finding.what)
