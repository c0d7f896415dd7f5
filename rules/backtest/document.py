"""A backtest as JSON: times in ISO 8601 and UTC, lengths in seconds."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rules.backtest.clock import Firing
from rules.backtest.condition import limits
from rules.backtest.differences import differences
from rules.backtest.ledger import Judgement
from rules.backtest.outcome import Outcome, Variant
from rules.backtest.replay import Span


def document(outcome: Outcome) -> str:
    """All that a backtest has found; what is not known is null."""
    suggestion = outcome.suggestion
    found = {
        "alert": outcome.title,
        "condition": outcome.condition,
        "interval": outcome.clock.grid.interval.total_seconds(),
        **_span(outcome, outcome.window),
        "known": [
            _span(outcome, part) for one in outcome.clock.known if (part := one.cut(outcome.window))
        ],
        "variants": [_variant(outcome, one) for one in outcome.variants],
        "suggestion": suggestion
        and {
            "threshold": suggestion.threshold and float(suggestion.threshold),
            "for": suggestion.for_ and suggestion.for_.total_seconds(),
            "why": suggestion.why,
        },
        "notes": list(outcome.notes),
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _variant(outcome: Outcome, variant: Variant) -> dict[str, Any]:
    settings = variant.settings
    changed = differences(outcome, variant)
    return {
        "name": variant.name,
        "thresholds": [
            {"comparison": comparison.value, "number": float(settings.thresholds[limit])}
            for comparison, limit in limits(outcome.asked.alert.expr)
        ],
        "for": settings.for_.total_seconds(),
        "keepFiringFor": settings.keep_firing_for.total_seconds(),
        "fired": len(variant.firings),
        "firingSeconds": sum(outcome.lasted(one).total_seconds() for one in variant.firings),
        "judged": None
        if variant.told is None
        else {
            judgement.name.lower(): {
                "seen": len(variant.seen(judgement)),
                "missed": len(variant.missed(judgement)),
            }
            for judgement in Judgement
        },
        "realToldLaterSeconds": changed.later.total_seconds(),
        "new": len(changed.new),
        "firings": [_firing(outcome, variant, one) for one in variant.firings],
    }


def _firing(outcome: Outcome, variant: Variant, firing: Firing) -> dict[str, Any]:
    return {
        "labels": dict(firing.labels),
        **_span(outcome, firing.span),
        "seconds": outcome.lasted(firing).total_seconds(),
        "beganBefore": firing.began_before,
        "goesOn": firing.goes_on,
        "judgement": None if variant.told is None else variant.judged(firing).value,
    }


def _span(outcome: Outcome, span: Span) -> dict[str, str]:
    grid = outcome.clock.grid
    return {"from": _iso(grid.time(span.first)), "to": _iso(grid.time(span.end))}


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
