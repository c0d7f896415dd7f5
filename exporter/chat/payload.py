"""JSON from outside: parsed without harm, whatever it is."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")


class PayloadError(Exception):
    """A body that is not what its sender is known to send; says where."""


class Received(BaseModel):
    """A part of what somebody else has made: what we do not read may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def parsed(text: str | bytes) -> Any:
    """Raises PayloadError for what is no JSON, and for nesting that nobody means."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise PayloadError("the body is no JSON, or is nested too deep") from None


def validated(adapter: TypeAdapter[T], value: Any) -> T:
    """Raises PayloadError that names the first field that is wrong, and repeats nothing of it."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part)[:50] for part in first["loc"][:6]) or "the body"
        raise PayloadError(f"{where}: {first['msg'][:200]}") from None
