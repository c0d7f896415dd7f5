"""What the generated files mean for the people on call: who is told of what, at which hour.

Read from the text alone, so that the files of another revision can be read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from model.escalation import UNACKED_AGE
from rules import routing
from rules.comparisons import compared_in
from rules.demands import Destination, destinations
from rules.output import Files
from rules.prove_routes import TIMES
from rules.read_back import Rule, rules_in
from rules.tree import Route, Tree, read

_SEVERITY = re.compile(r'severity="([a-z]+)"')


@dataclass(frozen=True)
class Step:
    """A step of a ladder: after how long without an acknowledgement which rule fires."""

    after: timedelta
    rule: Rule


@dataclass(frozen=True)
class OnCall:
    """The rules and the routes of one set of generated files."""

    rules: tuple[Rule, ...]
    tree: Tree
    receivers: Mapping[str, frozenset[Destination]]

    @property
    def alerts(self) -> tuple[Rule, ...]:
        """The alerting rules."""
        return tuple(rule for rule in self.rules if not rule.records)

    def told(self, rule: Rule) -> dict[str, frozenset[str]]:
        """Who is told of an alert, in words, at each of the moments that are looked at."""
        routes = self.routes(rule)
        return {
            name: frozenset(
                in_words(destination)
                for route in routes
                if not self.tree.is_silent(route, at)
                for destination in self.receivers.get(route.receiver, frozenset())
            )
            for name, at in self._moments().items()
        }

    def routes(self, rule: Rule) -> list[Route]:
        """The routes that an alert ends in, by its labels that are constant."""
        constant = {name: text for name, text in rule.labels.items() if "{{" not in text}
        return self.tree.root.matching({**constant, "alertname": rule.name})

    def ladder(self, severity: str | None) -> list[Step]:
        """Who comes next when nobody acknowledges an alert of a severity, the soonest first."""
        steps = [
            Step(timedelta(seconds=int(part.limit)), rule)
            for rule in self.alerts
            if UNACKED_AGE in rule.expr
            for part in compared_in(rule.expr)
            if part.limit is not None
            and (named := _SEVERITY.search(part.text)) is not None
            and named[1] == severity
        ]
        return sorted(steps, key=lambda step: step.after)

    def _moments(self) -> dict[str, datetime]:
        places = [one.location for parts in self.tree.intervals.values() for one in parts]
        zone = ZoneInfo(places[0] if places else "UTC")
        return {name: datetime(*parts, tzinfo=zone) for name, parts in TIMES.items()}


def read_on_call(files: Files) -> OnCall:
    """Read the rules and routes among generated files. Raises UnreadableError."""
    tree = read(files[routing.PATH])
    receivers = {one["name"]: destinations(one) for one in tree.receivers}
    return OnCall(tuple(rules_in(files)), tree, receivers)


def in_words(destination: Destination) -> str:
    """Where a notification ends up, as a person says it."""
    kind, where = destination
    if kind == "slack":
        return f"slack {where.partition(' ')[0]}"
    if kind == "pagerduty":
        return f"pagerduty ({PurePosixPath(where).name})"
    return f"{kind} {where}"


def listed(words: frozenset[str]) -> str:
    """Those who are told, in one line."""
    return ", ".join(sorted(words)) or "nobody"
