"""Each proof fails on what it is there to catch, and says where."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from model.load import load
from model.platform import Platform
from rules.compile import compile_files
from rules.output import Files
from rules.prove import _secrets_are_absent, prove
from rules.routing import PATH as ROUTES
from rules.scrape import PATH as SCRAPE

TINY = Path(__file__).resolve().parent / "tiny_config.py"
ESCALATION = "rules/generated/escalation.rules.yml"
MESSAGES = "alertmanager/templates/monitoring.tmpl"
RULES = "rules/generated/availability.rules.yml"


@cache
def tiny() -> tuple[Platform, Files]:
    platform = load(TINY)
    return platform, compile_files(platform)


def failing(path: str, old: str, new: str) -> dict[str, str]:
    """The proofs that fail when a file is spoilt, and what they say."""
    platform, files = tiny()
    assert old in files[path]
    spoilt = {**files, path: files[path].replace(old, new, 1)}
    return {
        proof.claim: "\n".join(proof.objections)
        for proof in prove(platform, spoilt)
        if not proof.holds
    }


def test_every_proof_holds_for_what_is_generated() -> None:
    platform, files = tiny()
    assert [proof.claim for proof in prove(platform, files) if not proof.holds] == []


@pytest.mark.parametrize(
    ("path", "old", "new", "claim", "objection"),
    [
        (RULES, "avg by (target) (", "avg by (target) ((", "promtool check rules", RULES),
        (RULES, "< 0.5", "< 0.4", "promtool test rules", "ServiceDown"),
        (RULES, "for: 10s", "for: 15s", "promtool test rules", "ServiceDown"),
        (SCRAPE, "scrape_timeout: 4s", "scrape_timeout: 40s", "promtool check config", "timeout"),
        (ROUTES, "receiver: slack", "receiver: nobody", "amtool check-config", "nobody"),
        (
            ROUTES,
            'severity="info"',
            'severity="inf"',
            "routes: label sets",
            "CertificateExpiring, Tuesday",
        ),
        (
            ROUTES,
            "receiver: email+slack+pagerduty\n    group_by:\n    - alertname\n    - service",
            "receiver: email\n    group_by:\n    - alertname\n    - service",
            "routes: label sets",
            "ServiceDown, Tuesday 11:00: wanted email ops@example.org, dev@example.org, pagerduty",
        ),
        (ESCALATION, "> 300", "> 330", "promtool test rules", "AlertUnacknowledgedLead"),
        (MESSAGES, ".Annotations.summary", ".Anotations.summary", "amtool template", "Anotations"),
    ],
    ids=[
        *("syntax", "threshold", "for", "scrape"),
        *("receiver", "matcher", "route", "escalation", "message"),
    ],
)
def test_a_proof_says_what_is_wrong_and_where(
    path: str, old: str, new: str, claim: str, objection: str
) -> None:
    found = failing(path, old, new)
    counted = {re.sub(r"\d+ ", "", name): text for name, text in found.items()}
    (said,) = [text for name, text in counted.items() if name.startswith(claim)]
    assert objection in said


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "receivers:\n- slack_configs:\n  - api_url: https://hooks.slack.com/services/T/B/x\n",
        "receivers:\n- pagerduty_configs:\n  - send_resolved: true\n    routing_key: abc\n",
        "receivers: [{pagerduty_configs: [{service_key: abc}]}]\n",
        "global:\n  smtp_auth_password: hunter2\n",
        "global:\n  smtp_auth_secret: hunter2\n",
        "global:\n  slack_api_url: https://hooks.slack.com/services/T/B/x\n",
        "email_configs:\n- auth_password: hunter2\n",
        "scrape_configs:\n- basic_auth: {username: me, password: hunter2}\n",
        "scrape_configs:\n- authorization: {credentials: abc}\n",
        "scrape_configs:\n- bearer_token: abc\n",
        "scrape_configs:\n- oauth2: {client_secret: abc}\n",
        "datasources:\n- secureJsonData: {basicAuthPassword: hunter2}\n",
        '"PASSWORD": "hunter2"\n',
        "url: http://me:hunter2@example.org/\n",
        "url: redis://:hunter2@example.org/\n",
    ],
)
def test_a_secret_in_plain_text_is_found(text: str) -> None:
    proof = _secrets_are_absent({"alertmanager/alertmanager.yml": text})
    assert len(proof.objections) == 1
    assert proof.objections[0].startswith("alertmanager/alertmanager.yml: ")
    assert "hunter2" not in proof.objections[0]
    assert "abc" not in proof.objections[0]


@pytest.mark.parametrize(
    "text",
    [
        "receivers:\n- slack_configs:\n  - api_url_file: /run/secrets/slack\n",
        "receivers:\n- pagerduty_configs:\n  - routing_key_file: /run/secrets/pagerduty\n",
        "email_configs:\n- auth_password_file: /run/secrets/smtp\n",
        "url: http://me@example.org/\n",
        "url: http://example.org:80/a@b:c\n",
        "summary: 'the password: expired'\n",
    ],
)
def test_what_only_names_a_secret_is_none(text: str) -> None:
    assert _secrets_are_absent({"alertmanager/alertmanager.yml": text}).holds
