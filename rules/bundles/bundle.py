"""Test groups as one, each with names of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from model.durations import parse
from rules import yaml_text
from rules.bundles.blocks import ALERTS_ASKED, EXPRS_ASKED, FED, Block
from rules.bundles.marks import MARK, marked_alerts, marked_samples, marked_series
from rules.bundles.needs import Need, Rule
from rules.samples import ended

# What a test group costs promtool by itself, in evaluations of a rule: a database is made for it.
_GROUP = 10
# Two processes share bundles more evenly if none takes long.
_MOST = 1500
_ASKED = re.compile(r"^(?=  - eval_time: )", re.MULTILINE)
_ALERT = re.compile(r"^    alertname: (\S+)$", re.MULTILINE)
_RESULT = "    - exp_labels:\n"
_VALUES = re.compile(r"^    values: (?:'([^'\n]*)'|(.*))$", re.MULTILINE)


@dataclass(frozen=True)
class _Member:
    """A test group, and what stands before its names; nothing where it is alone."""

    block: Block
    need: Need
    prefix: str

    @cached_property
    def asked(self) -> list[str]:
        """What it asks of alerts, each with its name and what is to fire."""
        return _ASKED.split(self.block.sections.get(ALERTS_ASKED, ""))

    @cached_property
    def can_be_short(self) -> bool:
        """Whether it expects every constant annotation just as the rule has it.

        Then it needs none of them: promtool reads each text of an active alert at every step as a
        template, which takes it most of its time.
        """
        return all(
            text.count(f"\n        {line}") == text.count(_RESULT)
            for text in self.asked
            for line in self._constant(text)
        )

    def groups(self) -> Iterator[tuple[str, str]]:
        """Each group of its rules: the name in the bundle, and the text."""
        for group in self.need.groups:
            name = f"{self.prefix}{group.settings['name']}"
            head = yaml_text.write([{**group.settings, "name": name}])
            rules = "".join(self._written(rule) for rule in group.rules)
            yield name, f"{head}  rules:\n{self._named(rules)}"

    def fed(self, last: timedelta, step: timedelta) -> str:
        """The series that are fed, which end where it asks for nothing more."""
        text = self._named(marked_series(self.block.sections.get(FED, "")))
        return text if self.block.last == last else _ended(text, self.block.last, step)

    def alerts_asked(self) -> str:
        """What it asks of alerts."""
        texts = (self._short(text) if self.can_be_short else text for text in self.asked)
        return self._named(marked_alerts("".join(texts)))

    def exprs_asked(self) -> str:
        """What it asks of expressions."""
        text = self.block.sections.get(EXPRS_ASKED, "")
        return self._named(marked_samples(text, self.need.asked))

    def _written(self, rule: Rule) -> str:
        """A rule with those of its texts that are looked at."""
        if ALERTS_ASKED not in self.block.sections:
            return rule.bare
        return rule.varying if self.can_be_short else rule.whole

    def _short(self, text: str) -> str:
        for line in self._constant(text):
            text = text.replace(f"\n        {line}", "\n")
        return text

    def _constant(self, text: str) -> list[str]:
        """The constant annotations of the alerts that are asked for, each as a line."""
        name = _ALERT.search(text)
        rules = (rule for group in self.need.groups for rule in group.rules)
        own = [rule for rule in rules if name is not None and rule.alert == name[1]]
        return [line for rule in own for line in rule.constant.values()]

    def _named(self, text: str) -> str:
        return text.replace(MARK, self.prefix)


@dataclass
class Bundle:
    """Test groups that are run as one; none lasts longer than the first."""

    interval: str
    evaluated: str
    steps: int
    blocks: list[tuple[Block, Need]] = field(default_factory=list)
    rules: int = 0

    @property
    def cost(self) -> int:
        """What it costs promtool, in evaluations of a rule."""
        return _GROUP + self.steps * self.rules

    def takes(self, block: Block, need: Need) -> bool:
        """Whether a test group is better one of its members than one by itself."""
        longer = (self.steps - block.steps) * need.rules
        can_be = need.can_be_marked and self.blocks[0][1].can_be_marked
        return can_be and longer < _GROUP and self.cost + need.rules * self.steps < _MOST

    def add(self, block: Block, need: Need) -> None:
        """Make it one of its members."""
        self.blocks.append((block, need))
        self.rules += need.rules

    def texts(self, rule_file: str) -> tuple[str, str]:
        """The file of its rules, and the file of its tests, which reads that one by its name."""
        members = self._members()
        groups = [group for member in members for group in member.groups()]
        head = {
            "rule_files": [rule_file],
            "evaluation_interval": self.evaluated,
            **({"group_eval_order": [name for name, _ in groups]} if groups else {}),
        }
        last, step = max(block.last for block, _ in self.blocks), parse(self.interval)
        sections = {
            FED: "".join(one.fed(last, step) for one in members),
            ALERTS_ASKED: "".join(one.alerts_asked() for one in members),
            EXPRS_ASKED: "".join(one.exprs_asked() for one in members),
        }
        asked = "".join(f"  {name}:\n{text}" for name, text in sections.items() if text)
        rules = "".join(text for _, text in groups)
        tests = f"{yaml_text.write(head)}tests:\n- interval: {self.interval}\n{asked}"
        return f"groups:\n{rules}", tests

    def _members(self) -> list[_Member]:
        alone = len(self.blocks) == 1
        return [
            _Member(block, need, "" if alone else f"m{number}_")
            for number, (block, need) in enumerate(self.blocks)
        ]


def bundles(wanted: Iterable[tuple[Block, Need]]) -> list[Bundle]:
    """Test groups packed into as few as is worth it."""
    packed: dict[tuple[str, str], list[Bundle]] = {}
    for block, need in sorted(wanted, key=lambda pair: -pair[0].steps):
        alike = packed.setdefault((block.interval, block.evaluated), [])
        home = next((one for one in alike if one.takes(block, need)), None)
        if home is None:
            home = Bundle(block.interval, block.evaluated, block.steps)
            alike.append(home)
        home.add(block, need)
    return [one for alike in packed.values() for one in alike]


def _ended(text: str, last: timedelta, step: timedelta) -> str:
    def shorter(found: re.Match[str]) -> str:
        values = ended(found[1] if found[2] is None else found[2], last, step)
        return f"    values: '{values}'"

    return _VALUES.sub(shorter, text)
