"""What an answer has to be for its target to count as up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.conditions import BodyConditions, HeaderConditions, JsonConditions
from exporter.probers.http.failure import excerpt
from exporter.probers.http.response import Response
from exporter.probers.result import Health, Reason, Sample
from model.targets import HttpTarget, Service

_decode = json.JSONDecoder().raw_decode
_WHITE_SPACE = " \t\r\n"

# Many services answer the same bytes every time; longer ones are not kept to find that out.
_REMEMBERED = 4096

Hide = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says of its target; `samples` are what was read in it."""

    health: Health
    detail: str = ""
    reason: Reason | None = None
    samples: tuple[Sample, ...] = ()


# Judges a JSON document; may raise ProbeFailure.
Judge = Callable[[object, Hide], Verdict]

_HEALTHY = Verdict(Health.HEALTHY)


class Checks:
    """The conditions that a target's answer has to meet, in the order they are checked in.

    `judge_document` has the last word, None if the answer need not be JSON. `hide` takes secrets
    out of what the target says, before it is quoted.
    """

    __slots__ = (
        "_body",
        "_headers",
        "_hide",
        "_json",
        "_judge_document",
        "_last_body",
        "_last_verdict",
        "_statuses",
        "_wanted",
    )

    def __init__(self, target: HttpTarget, judge_document: Judge | None, hide: Hide) -> None:
        self._hide = hide
        self._statuses = frozenset(target.statuses)
        self._wanted = _listed(target.statuses)
        self._headers = HeaderConditions.of(target)
        self._body = BodyConditions.of(target)
        self._json = JsonConditions.of(target)
        self._judge_document = judge_document
        self._last_body: bytes | None = None
        self._last_verdict = _HEALTHY

    def headers(self) -> frozenset[bytes]:
        """The headers that conditions look at, in lower case."""
        return self._headers.names if self._headers else frozenset()

    def judge(self, answer: Response) -> Verdict:
        """The verdict on the target by its answer; raise ProbeFailure where a condition fails."""
        if answer.status not in self._statuses:
            raise ProbeFailure(Reason.STATUS, f"answered {answer.status}, not {self._wanted}")
        if self._headers is not None:
            self._headers.check(answer.headers)
        # All that follows depends on nothing but the body.
        if answer.body != self._last_body:
            verdict = self._judge_body(answer.body)
            self._last_body = answer.body if len(answer.body) <= _REMEMBERED else None
            self._last_verdict = verdict
        return self._last_verdict

    def _judge_body(self, body: bytes) -> Verdict:
        if self._body is not None:
            self._body.check(body)
        if self._judge_document is None and self._json is None:
            return _HEALTHY
        document = parse_json(body)
        if self._json is not None:
            self._json.check(document, self._hide)
        if self._judge_document is None:
            return _HEALTHY
        return self._judge_document(document, self._hide)


def by_status_field(service: Service) -> Judge | None:
    """Judges the answer of one of the platform's services by its own word."""
    field = service.status_field
    if field is None:
        return None
    up, degraded = frozenset(service.up), frozenset(service.degraded)

    def judge(document: object, hide: Hide) -> Verdict:
        status = document.get(field) if isinstance(document, dict) else None
        if status is None:
            raise ProbeFailure(Reason.BODY, f'the answer has no "{field}"')
        if not isinstance(status, str):
            raise ProbeFailure(Reason.BODY, f'"{field}" is not a string')
        if status in up:
            return _HEALTHY
        if status in degraded:
            return Verdict(Health.DEGRADED, f"calls itself {excerpt(hide(status))}")
        raise ProbeFailure(Reason.BODY, f"calls itself {excerpt(hide(status))}")

    return judge


def parse_json(body: bytes) -> object:
    """Parse a JSON text (RFC 8259); raise ProbeFailure if it is none."""
    # raw_decode of decoded text costs 1.5 µs where json.loads costs 3.8: it does not guess the
    # encoding, which has to be UTF-8.
    try:
        text = body.decode().strip(_WHITE_SPACE)
        document, end = _decode(text)
    except UnicodeDecodeError:
        raise ProbeFailure(Reason.BODY, "the body is not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise ProbeFailure(Reason.BODY, "the body is not valid JSON") from None
    if end != len(text):
        raise ProbeFailure(Reason.BODY, "the body is not valid JSON: something follows it")
    return document


def _listed(statuses: tuple[int, ...]) -> str:
    """`200`, `200 or 204`, `one of 200-299`: short however many there are."""
    if len(statuses) <= 3:
        return " or ".join(map(str, statuses))
    return f"one of {min(statuses)}-{max(statuses)}"
