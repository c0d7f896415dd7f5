"""What an answer has to be for its target to count as up."""

from __future__ import annotations

import json
from collections.abc import Callable

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.conditions import BodyConditions, HeaderConditions, JsonConditions
from exporter.probers.http.failure import excerpt
from exporter.probers.http.response import Response
from exporter.probers.result import Health, Reason
from model.targets import Service

_decode = json.JSONDecoder().raw_decode
_WHITE_SPACE = " \t\r\n"

# Many services answer the same bytes every time; longer ones are not kept to find that out.
_REMEMBERED = 4096

Verdict = tuple[Health, str]


class Checks:
    """The conditions that a service's answer has to meet, in the order they are checked in.

    `hide` takes secrets out of what the target says, before it is quoted.
    """

    __slots__ = (
        "_body",
        "_degraded",
        "_field",
        "_headers",
        "_hide",
        "_json",
        "_last_body",
        "_last_verdict",
        "_statuses",
        "_up",
        "_wanted",
    )

    def __init__(self, service: Service, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._statuses = frozenset(service.statuses)
        self._wanted = _listed(service.statuses)
        self._headers = HeaderConditions.of(service)
        self._body = BodyConditions.of(service)
        self._json = JsonConditions.of(service)
        self._field = service.status_field
        self._up = frozenset(service.up)
        self._degraded = frozenset(service.degraded)
        self._last_body: bytes | None = None
        self._last_verdict: Verdict = (Health.HEALTHY, "")

    def headers(self) -> frozenset[bytes]:
        """The headers that conditions look at, in lower case."""
        return self._headers.names if self._headers else frozenset()

    def judge(self, answer: Response) -> Verdict:
        """The health of the target by its answer; raise ProbeFailure where a condition fails."""
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
        if self._field is None and self._json is None:
            return Health.HEALTHY, ""
        document = parse_json(body)
        if self._json is not None:
            self._json.check(document, self._hide)
        if self._field is None:
            return Health.HEALTHY, ""
        return self._by_status_field(document, self._field)

    def _by_status_field(self, document: object, field: str) -> Verdict:
        status = document.get(field) if isinstance(document, dict) else None
        if status is None:
            raise ProbeFailure(Reason.BODY, f'the answer has no "{field}"')
        if not isinstance(status, str):
            raise ProbeFailure(Reason.BODY, f'"{field}" is not a string')
        if status in self._up:
            return Health.HEALTHY, ""
        if status in self._degraded:
            return Health.DEGRADED, f"calls itself {excerpt(self._hide(status))}"
        raise ProbeFailure(Reason.BODY, f"calls itself {excerpt(self._hide(status))}")


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
