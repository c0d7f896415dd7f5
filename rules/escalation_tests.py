"""escalation.test.yml: promtool's tests of the ladder, both sides of every wait.

The ledger's series are written as its replicas would expose them; time 0 is the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from model.durations import minutes, prometheus
from model.escalation import EscalationRule, camel, escalation_rules
from model.names import (
    ALERT_LEDGER_OPEN_ALERTS,
    ALERT_LEDGER_STORE_UP,
    ALERT_LEDGER_UNACKED_SINCE,
    ALERTS,
)
from model.people import Severity
from model.platform import Platform
from rules.escalation import GROUP, rule_annotations
from rules.expand import expand
from rules.output import Files, yaml_file

PATH = f"rules/generated/{GROUP}.test.yml"

_STEP = minutes(1)
# When the alert of a test began to wait, in seconds.
_SINCE = 60
_REPLICAS = ("one:3017", "two:3017", "three:3017")
_EPISODE = {"alert_id": "7f3a", "service": "payment-service", "source_alertname": "ServiceDown"}


@dataclass(frozen=True)
class _Check:
    """Which alerts of one name fire at a time: their labels and value, none if empty."""

    at: timedelta
    rule: EscalationRule
    firing: tuple[tuple[dict[str, str], float], ...] = ()


def build(platform: Platform) -> Files:
    """The tests of the escalation rules; no file if there are none."""
    rules = {rule.name: rule for rule in escalation_rules(platform)}
    if not rules:
        return {}
    document = {
        "rule_files": [f"{GROUP}.rules.yml"],
        "evaluation_interval": prometheus(_interval(platform)),
        "tests": list(_tests(rules, platform)),
    }
    return {PATH: yaml_file(document)}


def _tests(rules: dict[str, EscalationRule], platform: Platform) -> Iterator[dict[str, Any]]:
    for severity in platform.severities:
        for step in severity.escalation:
            rule = rules[f"AlertUnacknowledged{camel(step.to)}"]
            yield _waiting(rule, severity, step.after, platform)
        if (name := f"EscalationFailOpen{camel(severity.name)}") in rules:
            yield from _fails_open(rules[name], severity, platform)
    if "AlertLedgerDown" in rules:
        yield from _ledger_down(rules["AlertLedgerDown"], platform)
        yield from _drift(rules["AlertLedgerDrift"], platform)


# --- not acknowledged ---------------------------------------------------------------------------


def _waiting(
    rule: EscalationRule, severity: Severity, after: timedelta, platform: Platform
) -> dict[str, Any]:
    """Fires once the wait is over: once for all replicas, over a gap, and not if acknowledged.

    All episodes are in one test, since promtool evaluates everything from the epoch on.
    """
    interval, at = _interval(platform), timedelta(seconds=_SINCE) + after
    until = _steps(at)
    waits = f"{_SINCE}x{until + 6}"
    episodes = {
        "one": [waits],
        "three": [waits] * 3,
        # Half a second more than is allowed, at the same time.
        "just": [f"{_SINCE - 0.5}x{until + 6}"],
        # The scrape before the wait is over is missed by all.
        "gap": [f"{_SINCE}x{until - 1} _ {_SINCE}x6"] * 3,
        # One replica hears of the acknowledgement two minutes before that, two never do.
        "late": [f"{_SINCE}x{until - 2} 0x8", waits, waits],
        "acknowledged": [f"0x{until + 6}"] * 3,
        "acknowledged-then": [f"{_SINCE}x{until + 2} 0x4"],
        # It was kept from people, and waits for them again: what the ledger says last counts.
        "again": [f"0x{until + 1} {_SINCE}x5"],
        # The ledger is gone: what it last said counts for three minutes and no longer.
        "gone": [f"{_SINCE}x{until + 1} stale"],
    }
    fed = [
        (_unacked(severity, episode, replica), values)
        for episode, written in episodes.items()
        for replica, values in zip(_REPLICAS, written, strict=False)
    ]

    # Of a severity that nobody has declared.
    foreign = _series(ALERT_LEDGER_UNACKED_SINCE.name, {**_EPISODE, "severity": "unheard-of"})
    fed.append((foreign, f"1x{until + 6}"))

    def firing(moment: timedelta, *names: str) -> _Check:
        age = (moment - timedelta(seconds=_SINCE)) / timedelta(seconds=1)
        given = tuple(
            (
                {**_EPISODE, "alert_id": name, "severity": severity.name},
                age + 0.5 if name == "just" else age,
            )
            for name in names
        )
        return _Check(moment, rule, given)

    lasting = ("one", "three", "just", "gap")
    checks = [
        firing(at - interval),
        firing(at, "just"),
        firing(at + interval, *lasting, "acknowledged-then", "gone"),
        firing(at + minutes(2), *lasting, "acknowledged-then", "again", "gone"),
        firing(at + minutes(3), *lasting, "again", "gone"),
        firing(at + minutes(5), *lasting, "again"),
    ]
    return _test(fed, checks, platform)


def _unacked(severity: Severity, episode: str, replica: str) -> str:
    labels = {**_EPISODE, "alert_id": episode, "severity": severity.name, "instance": replica}
    return _series(ALERT_LEDGER_UNACKED_SINCE.name, labels)


# --- nobody can know ----------------------------------------------------------------------------


def _fails_open(
    rule: EscalationRule, severity: Severity, platform: Platform
) -> Iterator[dict[str, Any]]:
    """Pages while the store is down or the ledger gone, for the whole wait, and only then."""
    interval, steps = _interval(platform), _steps(rule.for_) + 2
    alert = {
        "alertname": "ServiceDown",
        "alertstate": "firing",
        "service": "payment-service",
        "severity": severity.name,
        "target": "payment-service",
    }
    firing = (_series(ALERTS.name, alert), f"1x{steps}")
    escalated = (_series(ALERTS.name, {**alert, "escalation": "anybody"}), f"1x{steps}")
    paged = {**alert, "source_alertname": "ServiceDown"}
    pages = [
        _Check(rule.for_ - interval, rule),
        _Check(rule.for_, rule, ((paged, 1.0),)),
    ]
    quiet = [_Check(rule.for_ + interval, rule)]
    up, down = [
        (_store(one), f"{value}x{steps}") for one, value in zip(_REPLICAS, (1, 0), strict=False)
    ]
    # The store comes back a minute later.
    back = (_store("one:3017"), f"0x{_steps(rule.for_)} 1x2")
    ends = [*pages, _Check(rule.for_ + minutes(1), rule)]
    yield _test([firing, escalated, back], ends, platform)
    yield _test([firing, escalated], pages, platform)
    yield _test([firing, escalated, down], pages, platform)
    yield _test([firing, up, down], quiet, platform)
    yield _test([firing, up, (_store(_REPLICAS[2]), up[1])], quiet, platform)
    pending = (_series(ALERTS.name, {**alert, "alertstate": "pending"}), firing[1])
    foreign = (_series(ALERTS.name, {**alert, "severity": "unheard-of"}), firing[1])
    yield _test([escalated, pending, foreign], quiet, platform)


def _ledger_down(rule: EscalationRule, platform: Platform) -> Iterator[dict[str, Any]]:
    """Fires where no replica's store works, and not while one does."""
    interval = _interval(platform)
    fires = [_Check(rule.for_ - interval, rule), _Check(rule.for_, rule, (({}, 1.0),))]
    quiet = [_Check(rule.for_ + interval, rule)]
    up, down = (_store("one:3017"), "1x4"), (_store("two:3017"), "0x4")
    back = (_store("one:3017"), f"0x{_steps(rule.for_)} 1x2")
    yield _test([back], [*fires, _Check(rule.for_ + minutes(1), rule)], platform)
    yield _test([], fires, platform)
    yield _test([down], fires, platform)
    yield _test([down, up], quiet, platform)
    yield _test([up, (_store("three:3017"), "1x4")], quiet, platform)


def _drift(rule: EscalationRule, platform: Platform) -> Iterator[dict[str, Any]]:
    """Fires on a difference either way that lasts; escalations and the watchdog do not count."""
    interval = _interval(platform)
    steps = _steps(rule.for_) + 2

    def firing(name: str, **labels: str) -> tuple[str, str]:
        given = {"alertname": name, "alertstate": "firing", **labels}
        return _series(ALERTS.name, given), f"1x{steps}"

    def known(count: int) -> list[tuple[str, str]]:
        name = ALERT_LEDGER_OPEN_ALERTS.name
        return [(_series(name, {"instance": one}), f"{count}x{steps}") for one in _REPLICAS]

    ours = firing("ServiceDown", severity="critical")
    others = [firing("Watchdog"), firing("Unacked", severity="critical", escalation="lead")]
    for count, fed in ((1, [ours, *others]), (1, [ours, *others, *known(0)]), (-1, known(1))):
        checks = [
            _Check(rule.for_ - interval, rule),
            _Check(rule.for_, rule, (({}, float(count)),)),
        ]
        yield _test(fed, checks, platform)
    name, late = ALERT_LEDGER_OPEN_ALERTS.name, f"0x{_steps(rule.for_)} 1x2"
    caught_up = (_series(name, {"instance": "one:3017"}), late)
    ends = [_Check(rule.for_, rule, (({}, 1.0),)), _Check(rule.for_ + minutes(1), rule)]
    yield _test([ours, caught_up], ends, platform)
    quiet = [_Check(rule.for_ + interval, rule)]
    yield _test([ours, *others, *known(1)], quiet, platform)
    second, behind = firing("DatabaseDown", severity="critical"), f"1x{steps}"
    pending = _series(ALERTS.name, {"alertname": "Slow", "alertstate": "pending", "severity": "x"})
    lags = (_series(name, {"instance": "late:3017"}), behind)
    yield _test([ours, second, (pending, behind), *known(2), lags], quiet, platform)
    yield _test(others, quiet, platform)


def _store(replica: str) -> str:
    return _series(ALERT_LEDGER_STORE_UP.name, {"instance": replica})


# --- promtool's form ----------------------------------------------------------------------------


def _test(fed: list[tuple[str, str]], checks: list[_Check], platform: Platform) -> dict[str, Any]:
    return {
        "interval": prometheus(_STEP),
        "input_series": [{"series": series, "values": values} for series, values in fed],
        "alert_rule_test": [
            {
                "eval_time": prometheus(check.at),
                "alertname": check.rule.name,
                "exp_alerts": [_fired(check.rule, *one, platform) for one in check.firing],
            }
            for check in checks
        ],
    }


def _fired(
    rule: EscalationRule, labels: dict[str, str], value: float, platform: Platform
) -> dict[str, Any]:
    own = {name: text for name, text in labels.items() if name != "alertname"}
    texts = rule_annotations(rule, platform)
    return {
        "exp_labels": {**own, **rule.labels},
        "exp_annotations": {name: expand(text, own, value) for name, text in texts.items()},
    }


def _series(name: str, labels: dict[str, str]) -> str:
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{written}}}"


def _interval(platform: Platform) -> timedelta:
    """How far apart evaluations are: as far as samples where all waits allow it.

    promtool evaluates every rule from the epoch on, so this is what its time depends on most.
    """
    waits = [step.after for severity in platform.severities for step in severity.escalation]
    waits += [rule.for_ for rule in escalation_rules(platform)]
    finest = platform.watched_by.evaluation_interval
    return _STEP if not any(wait % _STEP for wait in waits) else finest


def _steps(at: timedelta) -> int:
    """How many steps of the input series there are until then."""
    return -(-at // _STEP)
