"""What a test group needs: the rules that it asks for, and those that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rules import yaml_text
from rules.bundles.blocks import Block
from rules.bundles.marks import MARK, STATES, can_be_marked, marked_expr
from rules.inferred import Named, selectors


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule as it stands in a generated file."""

    document: Mapping[str, Any]

    @cached_property
    def constant(self) -> Mapping[str, str]:
        """The annotations that are the same whatever fires, each as it stands in a file."""
        texts = self.document.get("annotations", {})
        lines = {name: yaml_text.write({name: text}) for name, text in texts.items()}
        return {
            name: line
            for name, line in lines.items()
            if "{{" not in texts[name] and line.count("\n") == 1
        }

    @property
    def alert(self) -> str | None:
        """The alert's name, None of a recording rule."""
        return self.document.get("alert")

    @property
    def record(self) -> str | None:
        """The name of the series that it records, None of an alert."""
        return self.document.get("record")

    @property
    def expr(self) -> str:
        """Its expression."""
        return str(self.document["expr"])

    @cached_property
    def reads(self) -> Sequence[Named]:
        """The selectors in its expression."""
        return selectors(self.expr)

    @cached_property
    def whole(self) -> str:
        """How it stands in a file of rules, with marked names."""
        return self._text(self.document)

    @cached_property
    def varying(self) -> str:
        """The same without what is constant."""
        if self.record:
            return self.whole
        texts = self.document.get("annotations", {})
        kept = {name: text for name, text in texts.items() if name not in self.constant}
        return self._text({**self.document, "annotations": kept})

    @cached_property
    def bare(self) -> str:
        """The same without any annotation."""
        return self._text({k: v for k, v in self.document.items() if k != "annotations"})

    def _text(self, document: Mapping[str, Any]) -> str:
        kind = "record" if self.record else "alert"
        expr = marked_expr(self.expr, (one.name for one in self.reads))
        marked = {**document, kind: f"{MARK}{document[kind]}", "expr": expr}
        lines = yaml_text.write([marked]).splitlines(keepends=True)
        return "".join(f"  {line}" for line in lines)

    def makes(self, selector: Named) -> bool:
        """Whether a selector may read what it makes."""
        if self.record:
            return self.record == selector.name and self._may_be(selector.equal)
        return selector.name in STATES and self._may_be(selector.equal)

    def _may_be(self, equal: Iterable[tuple[str, str]]) -> bool:
        own = {**self.document.get("labels", {}), "alertname": self.alert or ""}
        return all(
            own[label] == value or "{{" in own[label] for label, value in equal if label in own
        )


@dataclass(frozen=True)
class Group:
    """A group of rules: what is set for all of them, and they."""

    settings: Mapping[str, Any]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Need:
    """A test group's groups of rules, with no others in them.

    `asked` are the names of the series that it asks for. It `can_be_marked` if it and its rules
    name all that they read.
    """

    groups: tuple[Group, ...]
    asked: frozenset[str]
    can_be_marked: bool

    @property
    def rules(self) -> int:
        """How many rules are evaluated at each step."""
        return sum(len(group.rules) for group in self.groups)


@dataclass(frozen=True)
class Rules:
    """The generated files of rules, by their names."""

    files: Mapping[str, tuple[Group, ...]]

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Rules:
        """Read the texts of files of rules."""
        return cls({name: tuple(_groups(yaml_text.read(text))) for name, text in texts.items()})

    def need(self, block: Block) -> Need | None:
        """What a test group needs; None if that cannot be told, as of a series without a name.

        Raises ValueError if an expression is no PromQL.
        """
        if any(name not in self.files for name in block.rule_files):
            return None
        groups = _ordered([one for name in block.rule_files for one in self.files[name]], block)
        every = [rule for group in groups for rule in group.rules]
        asked = [selector for expr in sorted(block.exprs) for selector in selectors(expr)]
        found = [rule for rule in every if rule.alert in block.alerts]
        read = [*asked, *(selector for rule in found for selector in rule.reads)]
        while more := [
            rule
            for rule in every
            if rule not in found and any(rule.makes(selector) for selector in read)
        ]:
            found += more
            read += (selector for rule in more for selector in rule.reads)
        if any("__name__" in expr for expr in (*block.exprs, *(rule.expr for rule in found))):
            return None
        wanted = set(found)
        kept = (
            Group(group.settings, tuple(rule for rule in group.rules if rule in wanted))
            for group in groups
        )
        return Need(
            groups=tuple(group for group in kept if group.rules),
            asked=frozenset(selector.name for selector in asked),
            can_be_marked=can_be_marked(read),
        )


def _groups(document: Mapping[str, Any]) -> Iterator[Group]:
    for group in document["groups"]:
        settings = {name: value for name, value in group.items() if name != "rules"}
        yield Group(settings, tuple(Rule(rule) for rule in group["rules"]))


def _ordered(groups: list[Group], block: Block) -> list[Group]:
    """Groups in the order in which they are to be evaluated."""
    if not block.groups:
        return groups
    return sorted(groups, key=lambda group: block.groups.index(group.settings["name"]))
