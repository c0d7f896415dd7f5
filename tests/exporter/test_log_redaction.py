"""No secret is in the log, whoever logs it and however it got there; what is none stays."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from exporter.conversation.redaction import HIDDEN
from exporter.logs.known_secrets import known_secrets
from exporter.logs.redaction import Redaction
from exporter.settings import read_settings
from model.load import load
from model.platform import Platform

SECRET = "p/w+Zq&9=x y"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"


def redacted(*secrets: str, **entry: Any) -> dict[str, Any]:
    return dict(Redaction(secrets)(None, "info", entry))


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"the token {TOKEN} is refused",
        "Authorization: Basic dXNlcjpodW50ZXIy",
        "cannot reach postgres://monitoring:dXNlcjpodW50ZXIy@db/monitoring_prod",
        "redis://:dXNlcjpodW50ZXIy@redis:6379",
        "GET /probe?target=x&key=dXNlcjpodW50ZXIy",
        '{"routing_key": "dXNlcjpodW50ZXIy"}',
        "password=dXNlcjpodW50ZXIy host=db",
        "posted to https://hooks.slack.com/services/T0/B0/dXNlcjpodW50ZXIy",
        "xoxb-12345678-dXNlcjpodW50ZXIy",
        "-----BEGIN RSA PRIVATE KEY-----\ndXNlcjpodW50ZXIy\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    for entry in ({"event": text}, {"event": "failed", "why": text}, {"event": "x", "of": [text]}):
        said = json.dumps(redacted(**entry))
        assert "dXNlcjpodW50ZXIy" not in said
        assert TOKEN not in said
        assert HIDDEN in said


def test_a_known_secret_is_hidden_however_it_is_written() -> None:
    for written in (SECRET, quote(SECRET, safe=""), json.dumps(SECRET), repr(SECRET)):
        said = redacted(SECRET, event=f"login as {written} failed", detail={"deep": [written]})
        assert SECRET not in json.dumps(said)
        assert written.strip("'\"") not in str(said)


def test_a_field_that_is_named_like_a_secret_shows_no_value() -> None:
    said = redacted(event="x", smtp_password="short", nested={"Set-Cookie": "a=b"}, jwt=None)
    assert said == {
        "event": "x",
        "smtp_password": HIDDEN,
        "nested": {"Set-Cookie": HIDDEN},
        "jwt": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "auth-service: connection refused",
        "session 12 of auth-service has ended",
        "AlertLedgerDown fires on payment-service",
        "http://auth-service:3000/health answers 503",
    ],
)
def test_what_people_look_for_stays(text: str) -> None:
    assert redacted("hunter2-do-not-print", event=text)["event"] == text


def test_numbers_and_truths_stay_what_they_are() -> None:
    assert redacted(event="x", status=200, seconds=0.5, open=True)["status"] == 200


@pytest.fixture
def platform() -> Platform:
    from pathlib import Path

    return load(Path(__file__).resolve().parents[2] / "config.py")


def test_every_secret_of_the_environment_is_known(platform: Platform) -> None:
    given = {
        "DATABASE_URL": "postgres://monitoring:ha%2Fha-one@db/monitoring_prod",
        "JWT_SECRET": "j" * 31 + "1",
        "INGEST_TOKEN": "i" * 31 + "2",
        "METRICS_BASIC_AUTH": "prometheus:scrape-three",
        "SLACK_SIGNING_SECRET": "signing-four",
        "PAGERDUTY_ROUTING_KEY": "routing-five",
        "PAGERDUTY_WEBHOOK_SECRET": "webhook-six",
    }
    settings = read_settings(given)
    urls = {target.name: target.url for target in platform.targets if hasattr(target, "url")}
    urls = {target.name: urls.get(target.name, "") for target in platform.targets}
    urls["redis"] = "redis://:seven-of-redis@redis:6379"
    known = set(known_secrets(settings, platform, urls))
    assert {"ha/ha-one", "scrape-three", "seven-of-redis", *given.values()} <= known
    secrets = [
        name
        for name in type(settings).model_fields
        if isinstance(getattr(settings, name), SecretStr)
    ]
    assert len(secrets) == len(given)
