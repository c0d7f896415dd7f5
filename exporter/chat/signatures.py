"""That a request comes from Slack or PagerDuty: signatures over the bytes as they arrived."""

from __future__ import annotations

import hashlib
import hmac
import re

# How far Slack's clock and ours may be apart, in seconds; older requests may be somebody's replay.
SLACK_WINDOW = 300


class SignatureError(Exception):
    """A request that is not what its sender signed, or too old; says why."""


def verify_slack(secret: str, timestamp: str, signature: str, body: bytes, now: float) -> None:
    """Raises SignatureError. `timestamp` and `signature` are headers, `now` is unix time."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureError("X-Slack-Request-Timestamp is not a whole number of seconds")
    if abs(now - int(timestamp)) > SLACK_WINDOW:
        raise SignatureError(f"X-Slack-Request-Timestamp is over {SLACK_WINDOW} s off")
    signed = b"v0:" + timestamp.encode() + b":" + body
    if not _same(f"v0={_hmac(secret, signed)}", signature):
        raise SignatureError("X-Slack-Signature is not that of the body")


def verify_pagerduty(secret: str, signatures: str, body: bytes) -> None:
    """Raises SignatureError. There are two while a secret is replaced: one of them has to fit."""
    expected = f"v1={_hmac(secret, body)}"
    # All are compared, so that the time it takes does not tell which one fits.
    fitting = [_same(expected, one.strip()) for one in signatures.split(",")]
    if not any(fitting):
        raise SignatureError("X-PagerDuty-Signature is not that of the body")


def _hmac(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _same(expected: str, given: str) -> bool:
    # Headers may hold bytes that are no text.
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
