"""The cases of every alert about a target whose target is in maintenance for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from model import names
from model.alerts import Alert
from model.platform import Platform
from model.raw import Fires, Raw
from rules.case import Case, Expected, Fed, Scene
from rules.maintenance import TARGET, about_by
from rules.raw.examples import example_cases
from rules.series import Series, just_over, ranges, results
from rules.series.windows import changed_after

_REPLICAS = ("one:3017", "two:3017")
# What the two say: just more than one half, and one half, which is not most. No exporter says
# anything between 0 and 1; it shows that they are averaged, and where the limit is.
_IN, _OUT, _NEVER = ("1", "0.0018"), ("1", "0"), ("0", "0")
# As many targets as it takes to tell one from another.
_TARGETS = 2
_STRANGER = "another-target"


def maintenance_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """What makes it fire lasts, and the first target is in maintenance at first.

    When it no longer is, the alert fires as if the fault had only begun. The other targets' alerts
    fire all the while, and a stranger's maintenance is nobody else's.
    """
    about = about_by(alert)
    if about is None:
        return
    if isinstance(alert.expr, Raw):
        yield from _of_examples(alert, about, platform)
        return
    # One replica feeds the condition: an average of several differs in its last digit.
    scene, value = Scene.of(alert, platform, most=_TARGETS), just_over(alert.expr)
    step, waits = scene.timing.step, scene.timing.waits
    subjects = [labels[about] for labels in results(alert.expr, scene.feed)]
    first = subjects[0]
    begins = scene.timing.exact
    maintained = int((begins + waits) / step) + 2
    doubted = int(waits / step) + 2
    # Long enough for an alert that is wrongly held back to end.
    after = int(scene.timing.keeps / step) + 3
    steps = maintained + doubted + after

    fed = scene.laid(scene.fed(value), steps=steps - scene.timing.lead // step)
    for subject in dict.fromkeys(subjects):
        says = (_IN, _OUT, _NEVER) if subject == first else (_NEVER, _NEVER, _NEVER)
        for replica, *phases in zip(_REPLICAS, *says, strict=True):
            lengths = (maintained, doubted, after)
            values = " ".join(f"{one}x{n - 1}" for one, n in zip(phases, lengths, strict=True))
            fed.append(_fed(subject, replica, values))
    fed += _throughout(_STRANGER, ("1", "1"), steps)
    everybody = scene.fired(value)
    others = tuple(
        one for one, subject in zip(everybody, subjects, strict=True) if subject != first
    )
    ended = maintained * step
    expected = [Expected(begins + waits, others)]
    if waits:
        expected.append(Expected(ended + waits - step, others))
    expected.append(Expected(ended + waits, everybody))
    expected.append(Expected((steps - 1) * step, everybody))
    until = _holds_until(scene, value)
    yield Case(alert, step, fed, [one for one in expected if until is None or one.at < until])


def _holds_until(scene: Scene, value: Decimal) -> timedelta | None:
    """When the condition ends by itself, though its series go on: changes leave their range."""
    step = scene.timing.step
    ends = [
        scene.timing.lead + changed_after(part, step) + part.length - int(value) * step
        for part in ranges(scene.alert.expr)
        if part.function == "changes"
    ]
    return min(ends, default=None)


def _of_examples(alert: Alert, about: str, platform: Platform) -> Iterator[Case]:
    """Examples that fire stay quiet in maintenance, and fire outside of it."""
    assert isinstance(alert.expr, Raw)
    examples = [example for example in alert.expr.cases if isinstance(example, Fires)]
    cases = [
        case for case in example_cases(alert, platform) if any(e.alerts for e in case.expected)
    ]
    for example, case in zip(examples, cases, strict=True):
        target = example.labels[about]
        last = max((one.at for one in case.expected), default=timedelta(0))
        steps = int(last / case.step) + 2
        silent = [replace(one, alerts=()) for one in case.expected]
        yield Case(alert, case.step, [*case.fed, *_throughout(target, _IN, steps)], silent)
        outside = _throughout(target, _OUT, steps) + _throughout(_STRANGER, ("1", "1"), steps)
        yield Case(alert, case.step, [*case.fed, *outside], case.expected)


def _throughout(target: str, says: tuple[str, str], steps: int) -> list[Fed]:
    return [
        _fed(target, replica, f"{value}x{steps}")
        for replica, value in zip(_REPLICAS, says, strict=True)
    ]


def _fed(target: str, replica: str, values: str) -> Fed:
    labels = (("instance", replica), ("job", "monitoring-service"), (TARGET, target))
    series = Series(names.MAINTENANCE.name, labels, Decimal(0))
    return Fed(series.name, series.notation(), values)
