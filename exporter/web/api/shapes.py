"""What every model of the API shares: camelCase names, and how values are read and written."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
NO_NUL: Final = r"^[^\x00]*$"
_FLAGS: Final = {"true": True, "false": False}


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        # What is never asked for costs no memory.
        defer_build=True,
        hide_input_in_errors=True,
    )


class Query(Shape):
    """Parameters behind the question mark: text that is to be read."""

    model_config = ConfigDict(extra="forbid")


class Body(Shape):
    """The JSON of a request."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Query):
    """No parameter, or no body."""


def stamp(at: datetime) -> str:
    """A time as the API writes it: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_or_none(at: datetime | None) -> str | None:
    """The same of what may not have come yet."""
    return None if at is None else stamp(at)


def _whole(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
        raise ValueError("write a whole number")
    return value


def _flag(value: Any) -> Any:
    if isinstance(value, str):
        if value not in _FLAGS:
            raise ValueError("write true or false")
        return _FLAGS[value]
    return value


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _TIME.fullmatch(value) is None:
        raise ValueError("write a time with its zone, such as 2026-01-31T09:00:00Z")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(f"there is no such time: {error}") from None


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # The first and the last hours that a datetime can be are others in another zone.
        return value.replace(tzinfo=UTC)


Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
# Beside an int and its limits: text that is one, and nothing that may be read as one.
Whole = BeforeValidator(_whole)
Flag = Annotated[bool, BeforeValidator(_flag)]
Time = Annotated[datetime, BeforeValidator(_time), AfterValidator(_in_utc)]
# No store is asked for what none can hold.
Line = Annotated[str, Field(pattern=NO_NUL)]
