"""Reads a request's parameters and body by their models, and tells all that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.web.api.shapes import NO_NUL, Shape
from model.declared import suggestion

# A note has 10,000 characters at most, each of which may be written as \uXXXX\uXXXX.
LARGEST_BODY: Final = 256 * 1024
# curl says that what -d sends is a form; that it is JSON can be read from it.
_CONTENT_TYPES: Final = (
    "application/json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
)
# What somebody has sent is repeated as far as this.
_LONGEST: Final = 50

S = TypeVar("S", bound=Shape)


def read_query(request: web.Request, model: type[S], problems: list[str]) -> S | None:
    """The parameters; None if they cannot be used, and `problems` says why."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            problems.append(f'parameter "{_cut(name)}": is given twice; give it once')
        given[name] = value
    # `severity=` is what a client writes that has nothing to say of it.
    said = {name: value for name, value in given.items() if value}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problems += _problems(error, "parameter", model)
        return None


async def read_body(request: web.Request, model: type[S], problems: list[str]) -> S | None:
    """The body; None if it cannot be used, and `problems` says why. None at all counts as {}.

    Raises HTTPRequestEntityTooLarge.
    """
    if request.content_type not in _CONTENT_TYPES:
        kind = _cut(request.content_type)
        problems.append(f'body: "{kind}" is not read; send JSON, Content-Type: application/json')
        return None
    raw = await _read(request)
    try:
        return model.model_validate_json(raw if raw.strip() else b"{}")
    except ValidationError as error:
        problems += _problems(error, "field", model)
        return None


async def _read(request: web.Request) -> bytes:
    """The body, no more of which is read than it may have."""
    raw = bytearray()
    if (request.content_length or 0) <= LARGEST_BODY:
        async for chunk in request.content.iter_any():
            raw += chunk
            if len(raw) > LARGEST_BODY:
                break
        else:
            return bytes(raw)
    raise web.HTTPRequestEntityTooLarge(
        max_size=LARGEST_BODY,
        actual_size=request.content_length or len(raw),
        text=f"the body has more than {LARGEST_BODY} bytes",
    )


def _problems(error: ValidationError, what: str, model: type[Shape]) -> Iterable[str]:
    names = [field.alias or name for name, field in model.model_fields.items()]
    for details in error.errors(include_url=False):
        path = ".".join(str(part) for part in details["loc"])
        if not path:
            yield f"body: {_whole_body(details)}"
        elif details["type"] == "extra_forbidden":
            near = suggestion(path, names) or _known(names)
            yield f'{what} "{_cut(path)}": there is none of this name{near}'
        else:
            yield f'{what} "{_cut(path)}": {_said(details)}'


def _known(names: list[str]) -> str:
    return f"; there are {', '.join(names)}" if names else ""


def _whole_body(details: ErrorDetails) -> str:
    if details["type"] == "json_invalid":
        return f"is not JSON: {details.get('ctx', {}).get('error', 'it cannot be read')}"
    return 'write a JSON object, such as {"notes": "…"}'


def _said(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "is missing"
        case "literal_error":
            offered = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return f'"{_cut(str(details["input"]))}" is none of {offered}'
        case "greater_than_equal" | "less_than_equal":
            return details["msg"].replace("Input should", "must")
        case "string_too_long":
            return f"has more than {context['max_length']} characters"
        case "string_pattern_mismatch" if context["pattern"] == NO_NUL:
            return "leave out the character NUL"
        case "string_pattern_mismatch":
            return f"is not of the form {context['pattern']}"
        case _:
            message = details["msg"].removeprefix("Value error, ")
            return message.replace("Input should", "must")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
