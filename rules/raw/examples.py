"""The examples of a raw expression: held to the catalogue, and made into cases of unit tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache

from model.alerts import Alert
from model.declared import suggestion
from model.durations import prometheus
from model.platform import Platform
from model.raw import Fires, Quiet, Raw
from rules.case import Case, Expected, Fed, described, texts_of
from rules.raw.facts import known
from rules.raw.tokens import Braces, Kind, UnreadableError, braces, tokens
from rules.series import Series

# What promtool reads as values: numbers, a+bxn, _ and stale.
_NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|Inf|NaN)"
_VALUE = re.compile(rf"(?:{_NUMBER}(?:[+-]{_NUMBER[5:]})?(?:x\d+)?|_(?:x\d+)?|stale)")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def example_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert on a raw expression: its examples, and no data at all."""
    assert isinstance(alert.expr, Raw)
    step = platform.watched_by.evaluation_interval
    for example in alert.expr.cases:
        fed = [Fed(*_series(name), values) for name, values in example.series.items()]
        if isinstance(example, Fires):
            yield Case(alert, step, fed, list(_fires(alert, example, platform)))
        else:
            yield Case(alert, step, fed, [Expected(example.at, ())])
    if alert.no_data == "quiet":
        yield Case(alert, step, [], [Expected(alert.for_ + step, ())])


def _fires(alert: Alert, example: Fires, platform: Platform) -> Iterator[Expected]:
    step = platform.watched_by.evaluation_interval
    fired = (described(texts_of(alert, platform), example.labels, example.value),)
    begins = example.since + alert.for_
    if begins:
        yield Expected(begins - step, ())
    yield Expected(begins, fired)
    if example.until is not None:
        ends = example.until + alert.keep_firing_for
        if ends - step > begins:
            yield Expected(ends - step, fired)
        yield Expected(ends, ())


# --- mistakes -----------------------------------------------------------------------------------


def example_mistakes(
    alert: Alert, labels: tuple[frozenset[str], frozenset[str]] | None, platform: Platform
) -> Iterator[str]:
    """What is wrong with the examples; `labels` are the sure and the possible ones of results."""
    assert isinstance(alert.expr, Raw)
    cases = alert.expr.cases
    for kind, what in ((Fires, "makes it fire"), (Quiet, "leaves it quiet")):
        if not any(isinstance(example, kind) for example in cases):
            yield (
                f"cases: no {kind.__name__}(…): what makes raw PromQL true cannot be worked out, "
                f"so write an example that {what}"
            )
    if alert.no_data == "fires" and not any(_is_no_data(example) for example in cases):
        yield 'cases: no_data is "fires": write Fires(series={}, …), with its labels and value'
    if alert.keep_firing_for and not any(
        isinstance(example, Fires) and example.until is not None for example in cases
    ):
        yield "cases: keep_firing_for is set: give a Fires(…) an until, so that it is tested"
    for number, example in enumerate(cases, 1):
        who = f"cases, {type(example).__name__} ({number})"
        for mistake in _mistakes(alert, example, labels, platform):
            yield f"{who}: {mistake}"


def _is_no_data(example: Fires | Quiet) -> bool:
    return isinstance(example, Fires) and not example.series


def _mistakes(
    alert: Alert,
    example: Fires | Quiet,
    labels: tuple[frozenset[str], frozenset[str]] | None,
    platform: Platform,
) -> Iterator[str]:
    if not example.has("series"):
        return
    for name, values in example.series.items():
        yield from _series_mistakes(name, platform)
        for value in values.split():
            if not _VALUE.fullmatch(value):
                yield f'{name}: "{value}" is no value; write promtool\'s notation, such as 1+0x10'
    if isinstance(example, Quiet):
        if example.has("at") and example.at < alert.for_:
            yield (
                f"at {prometheus(example.at)} it is quiet whatever the expression says, because "
                f"`for` is {prometheus(alert.for_)}; write a later time"
            )
        return
    if example.has("since", "until") and _ends_too_early(alert, example):
        yield "until: is not after since and `for`: it would never have fired"
    if labels is None or not example.has("labels"):
        return
    sure, possible = labels
    for label in sorted(sure - example.labels.keys() - {"job", "instance"}):
        yield f'labels: the result has a label "{label}", which is missing here'
    for label in sorted(example.labels.keys() - possible):
        near = suggestion(label, sorted(possible))
        yield f'labels: the result has no label "{label}"{near}'


def _ends_too_early(alert: Alert, example: Fires) -> bool:
    return example.until is not None and example.until <= example.since + alert.for_


def _series_mistakes(text: str, platform: Platform) -> Iterator[str]:
    try:
        read = _read(text)
    except UnreadableError as error:
        yield f"{text}: {error}"
        return
    if read is None:
        yield f'{text}: is no series; write name{{label="value"}}'
        return
    name, labels = read
    selected = _known(platform).get(name)
    if selected is None:
        yield f'there is no metric "{name}"{suggestion(name, _known(platform))}'
        return
    for label in sorted(labels.keys() - selected):
        yield f'{name} has no label "{label}"{suggestion(label, sorted(selected))}'
    for label in sorted(selected - labels.keys() - {"job", "instance"}):
        yield f'{text}: lacks the label "{label}", which every series of {name} has'


def _known(platform: Platform) -> Mapping[str, frozenset[str]]:
    return platform.once(_labels_by_name)


def _labels_by_name(platform: Platform) -> Mapping[str, frozenset[str]]:
    return {name: selected.labels for name, selected in known(platform).items()}


# --- notation -----------------------------------------------------------------------------------


@cache
def _read(text: str) -> tuple[str, Mapping[str, str]] | None:
    """The name and labels of a series in promtool's notation, None if it is none."""
    found = tokens(text)
    if not found or found[0].kind is not Kind.WORD:
        return None
    name = found[0]
    (inside,) = braces(found) or [Braces(name, ())]
    last = found[-1].text
    if inside.name != name or (len(found) > 1 and (found[1].text != "{" or last != "}")):
        return None
    if any(sign.text != "=" for _, sign, _ in inside.matchers):
        return None
    return name.text, {label.text: _unquoted(value.text) for label, _, value in inside.matchers}


def _series(text: str) -> tuple[str, str]:
    """The metric and the notation of a series."""
    read = _read(text)
    assert read is not None, text
    name, labels = read
    return name, Series(name, tuple(sorted(labels.items())), Decimal(0)).notation()


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text[1:-1])
