"""Each condition on an answer by itself: a probe ends at the first that fails, people want all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from exporter.conversation.connection import RecordedConnection
from exporter.probers.failure import ProbeFailure
from exporter.probers.http.checks import Checks, Judge, by_status_field
from exporter.probers.http.response import Response
from model.targets import HttpTarget, Service, Target

_CONDITIONS = (
    "fail_if_header_not_matches",
    "fail_if_header_matches",
    "fail_if_body_not_matches_regexp",
    "fail_if_body_matches_regexp",
    "json_conditions",
)


@dataclass(frozen=True, slots=True)
class Check:
    """A condition, and why it fails; None if it holds."""

    what: str
    failure: str | None


def checks(
    target: Target, connection: RecordedConnection | None, hide: Callable[[str], str]
) -> Iterator[Check]:
    """Every condition that a target's answer is held to, and what it comes to."""
    if not isinstance(target, HttpTarget) or connection is None:
        return
    answer = connection.reader
    if not isinstance(answer, Response) or not answer.status:
        return
    bare = target.model_copy(update=dict.fromkeys(_CONDITIONS, ()))
    any_status = bare.model_copy(update={"statuses": (answer.status,)})
    yield _checked(f"status {answer.status}", bare, answer, hide)
    for setting in _CONDITIONS:
        for condition in getattr(target, setting):
            only = any_status.model_copy(update={setting: (condition,)})
            yield _checked(f"{setting}: {_shown(condition)}", only, answer, hide)
    judge = by_status_field(target) if isinstance(target, Service) else None
    if judge is not None and isinstance(target, Service):
        wanted = ", ".join((*target.up, *target.degraded))
        what = f"{target.status_field} is one of {wanted}"
        yield _checked(what, any_status, answer, hide, judge)


def _checked(
    what: str,
    target: HttpTarget,
    answer: Response,
    hide: Callable[[str], str],
    judge: Judge | None = None,
) -> Check:
    try:
        Checks(target, judge, hide).judge(answer)
    except ProbeFailure as failure:
        return Check(what, failure.detail)
    return Check(what, None)


def _shown(condition: Any) -> str:
    return condition if isinstance(condition, str) else str(condition)
