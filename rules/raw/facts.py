"""What is known of each part of an expression, and the reader that collects it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from model.declared import suggestion
from model.metric import Metric, MetricType, Scope
from model.names import catalogue
from model.platform import Platform
from model.promql import SCRAPE_LABELS
from rules.raw.tokens import Braces, LabelList, Token, braces, label_lists, position, tokens

_LONGEST = 80
_SUFFIXES = ("_bucket", "_sum", "_count")


class Type(StrEnum):
    """A part's type, as in Prometheus."""

    VECTOR = "instant vector"
    MATRIX = "range vector"
    SCALAR = "scalar"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Selected:
    """Series of the catalogue: their name and metric."""

    name: str
    metric: Metric

    @property
    def is_counter(self) -> bool:
        """Whether its value only ever grows. A histogram's series are counters each."""
        return self.metric.type in (MetricType.COUNTER, MetricType.HISTOGRAM)

    @property
    def is_gauge(self) -> bool:
        """Whether its value may fall. Of an untyped one nobody knows."""
        return self.metric.type is MetricType.GAUGE

    @property
    def labels(self) -> frozenset[str]:
        """The labels that its series carry."""
        buckets = self.metric.type is MetricType.HISTOGRAM and self.name.endswith("_bucket")
        own = {*self.metric.labels, *SCRAPE_LABELS}
        return frozenset(own | {"le"} if buckets else own)


@dataclass(frozen=True)
class Facts:
    """What is known of the results of a part.

    `sure` are the labels that every result has, `possible` those that some have. `counters` are
    those whose bare value it is. `conditional` is whether it has no result where all is well,
    `nonzero` whether no result is 0. `unguarded` are its divisions by what may be 0: pairs of an
    offset and a text.
    """

    type: Type = Type.VECTOR
    sure: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()
    selected: Selected | None = None
    conditional: bool = False
    nonzero: bool = False
    unguarded: tuple[tuple[int | None, str], ...] = ()
    number: float | None = None
    length: timedelta | None = None


# Of what was not understood: nothing more is to be said about it.
UNKNOWN_LABELS = frozenset({"*"})


@dataclass
class Reader:
    """Reads one expression: the platform it is about, and the mistakes that were found."""

    platform: Platform
    text: str
    table: Mapping[str, Callable[[Any, Reader], Facts]]
    mistakes: list[str] = field(default_factory=list)
    selected: list[Selected] = field(default_factory=list)
    _known: dict[str, Selected] = field(init=False)
    _words: list[Token] = field(init=False)
    _names: dict[str, int] = field(init=False)
    _lists: list[LabelList] = field(init=False)
    _braces: list[Braces] = field(init=False)

    def __post_init__(self) -> None:
        self._known = known(self.platform)
        found = tokens(self.text)
        self._lists, self._braces = label_lists(found), braces(found)
        listed = {label.start for one in self._lists for label in one.labels}
        inside = {part.start for one in self._braces for three in one.matchers for part in three}
        self._words = [token for token in found if token.start not in listed | inside]
        self._names = {token.text: token.start for token in reversed(self._words)}

    def read(self, node: Any) -> Facts:
        """What is known of a node of the parser's tree."""
        reading = self.table.get(type(node).__name__)
        if reading is None:
            self.mistake(
                f"{shown(node)} is not understood: write it with building blocks, or otherwise"
            )
            return Facts()
        return reading(node, self)

    def mistake(self, what: str, at: int | None = None) -> None:
        """Note what is wrong, and where in the text."""
        self.mistakes.append(f"{position(self.text, at)}: {what}" if at is not None else what)

    def series(self, name: str, at: int | None) -> Selected | None:
        """The series of a name; None if there are no such, which is a mistake."""
        found = self._known.get(name)
        if found is not None:
            self.selected.append(found)
            return found
        base = _base(name)
        if f"{name}_bucket" in self._known:
            parts = ", ".join(name + suffix for suffix in _SUFFIXES)
            what = f"{name} is a histogram: its series are {parts}"
        elif base in self._known:
            what = f"{base} is a {self._known[base].metric.type.value}: it has no series {name}"
        else:
            what = f'there is no metric "{name}"{suggestion(name, self._known)}'
        self.mistake(what, at)
        return None

    def scraped_every(self, metric: Metric) -> timedelta:
        """How far apart the samples of a metric are."""
        watched = self.platform.watched_by
        is_services = metric.scope is Scope.SERVICE
        return watched.services_scrape_interval if is_services else watched.scrape_interval

    # --- where the parts stand: the parser's tree does not say ----------------------------------

    def word(self, text: str) -> Token | None:
        """The next place of a name or operator that was not asked for yet."""
        found = next((word for word in self._words if word.text.lower() == text.lower()), None)
        if found is not None:
            self._words.remove(found)
        return found

    def place_of(self, name: str) -> int | None:
        """Where a metric is named first."""
        return self._names.get(name)

    def matchers(self, name: Token | None) -> Braces | None:
        """The matchers behind a selector's name; of one without a name the next such."""
        found = next((one for one in self._braces if one.name == name), None)
        if found is not None:
            self._braces.remove(found)
        return found

    def listed(self, keywords: tuple[str, ...], labels: list[str]) -> dict[str, int]:
        """Where the labels of a `by`, `on` or their like stand."""
        for one in self._lists:
            here = [label.text for label in one.labels]
            if one.keyword.text.lower() in keywords and sorted(here) == sorted(labels):
                self._lists.remove(one)
                return {label.text: label.start for label in one.labels}
        return {}


def shown(node: Any) -> str:
    """A part as a message shows it."""
    text = str(node).replace("{}", "")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def known(platform: Platform) -> dict[str, Selected]:
    """The series that an expression may name, by their name."""
    return platform.once(_known)


def _known(platform: Platform) -> dict[str, Selected]:
    metrics = [*catalogue().values(), *platform.sql_metrics]
    found = {}
    for metric in metrics:
        suffixes = _SUFFIXES if metric.type is MetricType.HISTOGRAM else ("",)
        for suffix in suffixes:
            found[metric.name + suffix] = Selected(metric.name + suffix, metric)
    return found


def _base(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
