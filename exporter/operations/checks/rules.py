"""Has every Prometheus the rules that were made from this config?"""

from __future__ import annotations

import re

from exporter.ledger.http_body import NoAnswerError
from exporter.operations.checks.answers import ask
from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from model.platform import Platform

# What ConfigDrift and others compare with what the exporter says.
_HASH = re.compile(r'sha256!?="([0-9a-f]{64})"')
_NAMED = 5


async def check(patient: Patient) -> list[Finding]:
    """By the names of alerts, and by the hash of the config that some rules hold."""
    if patient.loaded is None:
        return [unknown("rules: the variables have to be mended first")]
    platform = patient.loaded.platform
    return [await _one(patient, platform, address) for address in platform.watched_by.prometheus]


async def _one(patient: Patient, platform: Platform, address: str) -> Finding:
    try:
        said = await ask(patient.session, f"http://{address}/api/v1/rules")
        rules = [rule for group in said["data"]["groups"] for rule in group["rules"]]
        alerts = {rule["name"] for rule in rules if rule["type"] == "alerting"}
        hashes = {found for rule in rules for found in _HASH.findall(rule["query"])}
    except (NoAnswerError, KeyError, TypeError):
        return unknown(f"rules: Prometheus at {address} does not answer")
    wanted = {alert.name for alert in platform.alerts}
    missing = sorted(wanted - alerts)
    if wanted and len(missing) == len(wanted):
        return broken(
            Fault.RULES_NOT_LOADED,
            f"Prometheus at {address} has none of the {len(wanted)} alerts",
            "Put rules/generated/*.rules.yml where rule_files looks, and POST /-/reload; its log "
            "says what it refuses.",
        )
    if missing or hashes - {platform.sha256}:
        why = (
            f"it lacks {', '.join(missing[:_NAMED])}{' …' if missing[_NAMED:] else ''}"
            if missing
            else f"they were made from another config, {min(hashes - {platform.sha256})[:12]}…"
        )
        return broken(
            Fault.RULES_NOT_OURS,
            f"the rules in Prometheus at {address} are not this config's: {why}",
            "`make rules`, install what it makes, and POST /-/reload.",
        )
    return fine(f"Prometheus at {address} has the rules of this config")
