"""escalation.test.yml: promtool's tests of the ladder, both sides of every wait.

The ledger's series are written as its replicas would expose them; time 0 is the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from model.durations import minutes, prometheus, seconds
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
# Waits are minutes and hours long; evaluating as often as Prometheus does would take promtool long.
_EVALUATION = seconds(30)
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
        "evaluation_interval": prometheus(_EVALUATION),
        "tests": list(_tests(rules, platform)),
    }
    return {PATH: yaml_file(document)}


def _tests(rules: dict[str, EscalationRule], platform: Platform) -> Iterator[dict[str, Any]]:
    for severity in platform.severities:
        for step in severity.escalation:
            rule = rules[f"AlertUnacknowledged{camel(step.to)}"]
            yield from _waiting(rule, severity, step.after, platform)
        if (name := f"EscalationFailOpen{camel(severity.name)}") in rules:
            yield from _fails_open(rules[name], severity, platform)
    if "AlertLedgerDown" in rules:
        yield from _ledger_down(rules["AlertLedgerDown"], platform)
        yield from _drift(rules["AlertLedgerDrift"], platform)


# --- not acknowledged ---------------------------------------------------------------------------


def _waiting(
    rule: EscalationRule, severity: Severity, after: timedelta, platform: Platform
) -> Iterator[dict[str, Any]]:
    """Fires once the wait is over, once for all replicas, over a gap, and not if acknowledged."""
    interval = _EVALUATION
    at = timedelta(seconds=_SINCE) + after
    age = (after + interval) / timedelta(seconds=1)
    labels = {**_EPISODE, "severity": severity.name}
    fires = [_Check(at, rule), _Check(at + interval, rule, ((labels, age),))]
    steps = _steps(at) + 2
    waits = f"{_SINCE}x{steps}"
    # The scrape before the wait is over is missed by all.
    gap = f"{_SINCE}x{_steps(at) - 1} _ {_SINCE}x2"
    # One replica hears of the acknowledgement a minute before the wait is over, two never do.
    late = f"{_SINCE}x{_steps(at) - 2} 0x4"
    quiet = [_Check(at + interval, rule)]
    yield _test([(_unacked(severity, "one:3017"), waits)], fires, platform)
    yield _test([(_unacked(severity, one), waits) for one in _REPLICAS], fires, platform)
    yield _test([(_unacked(severity, one), gap) for one in _REPLICAS], fires, platform)
    replicas = list(zip(_REPLICAS, (late, waits, waits), strict=True))
    yield _test([(_unacked(severity, one), values) for one, values in replicas], quiet, platform)
    yield _test([(_unacked(severity, one), f"0x{steps}") for one in _REPLICAS], quiet, platform)
    # The ledger is down: what it last said counts for three minutes and no longer.
    yield _test(
        [(_unacked(severity, "one:3017"), f"{_SINCE}x{_steps(at)} stale")],
        [
            _Check(at + minutes(2), rule, ((labels, age + 120 - interval.total_seconds()),)),
            _Check(at + minutes(4), rule),
        ],
        platform,
    )


def _unacked(severity: Severity, replica: str) -> str:
    labels = {**_EPISODE, "severity": severity.name, "instance": replica}
    return _series(ALERT_LEDGER_UNACKED_SINCE.name, labels)


# --- nobody can know ----------------------------------------------------------------------------


def _fails_open(
    rule: EscalationRule, severity: Severity, platform: Platform
) -> Iterator[dict[str, Any]]:
    """Pages while the store is down or the ledger gone, for the whole wait, and only then."""
    interval, steps = _EVALUATION, _steps(rule.for_) + 2
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
    yield _test([firing, escalated], pages, platform)
    yield _test([firing, escalated, down], pages, platform)
    yield _test([firing, up, down], quiet, platform)
    yield _test([escalated], quiet, platform)


def _ledger_down(rule: EscalationRule, platform: Platform) -> Iterator[dict[str, Any]]:
    """Fires where no replica's store works, and not while one does."""
    interval = _EVALUATION
    fires = [_Check(rule.for_ - interval, rule), _Check(rule.for_, rule, (({}, 1.0),))]
    quiet = [_Check(rule.for_ + interval, rule)]
    up, down = (_store("one:3017"), "1x4"), (_store("two:3017"), "0x4")
    yield _test([], fires, platform)
    yield _test([down], fires, platform)
    yield _test([down, up], quiet, platform)


def _drift(rule: EscalationRule, platform: Platform) -> Iterator[dict[str, Any]]:
    """Fires on a difference either way that lasts; escalations and the watchdog do not count."""
    interval = _EVALUATION
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
    quiet = [_Check(rule.for_ + interval, rule)]
    yield _test([ours, *others, *known(1)], quiet, platform)
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


def _steps(at: timedelta) -> int:
    """How many steps of the input series there are until then."""
    return -(-at // _STEP)
