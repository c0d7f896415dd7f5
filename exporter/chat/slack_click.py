"""A click on the button in Slack, as Slack sends it: of a legacy attachment, or of Block Kit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import Field, TypeAdapter

from exporter.chat.payload import PayloadError, Received, parsed, validated

# What is named here is so named in rules/receivers.py; a test presses a real message's button.
# The button's value: as many as fit into the 2,000 characters that Slack keeps of one.
_FINGERPRINTS = re.compile(r"(?:[0-9a-f]{16}(?:,[0-9a-f]{16}){0,116})?")
_LONGEST_URL = 2000


class _User(Received):
    id: str = Field(max_length=30)
    team_id: str | None = Field(default=None, max_length=30)


class _Team(Received):
    id: str = Field(max_length=30)


class _LegacyAction(Received):
    name: Literal["acknowledge"]
    value: str = Field(default="", max_length=2000)


class _BlockAction(Received):
    action_id: Literal["acknowledge"]
    value: str = Field(default="", max_length=2000)


class _Legacy(Received):
    type: Literal["interactive_message"]
    callback_id: Literal["monitoring.alerts"]
    actions: tuple[_LegacyAction, ...] = Field(min_length=1, max_length=1)
    user: _User
    team: _Team
    response_url: str = Field(max_length=_LONGEST_URL)
    original_message: dict[str, Any] = Field(default_factory=dict)


class _Blocks(Received):
    type: Literal["block_actions"]
    actions: tuple[_BlockAction, ...] = Field(min_length=1, max_length=1)
    user: _User
    # Of an app that is installed in an organisation, the user alone names the team.
    team: _Team | None = None
    response_url: str = Field(max_length=_LONGEST_URL)
    message: dict[str, Any] = Field(default_factory=dict)


_PAYLOAD: TypeAdapter[_Legacy | _Blocks] = TypeAdapter(
    Annotated[_Legacy | _Blocks, Field(discriminator="type")]
)


@dataclass(frozen=True, slots=True)
class Click:
    """Who has clicked, on what. `user` is team/user, as contacts say it in the config."""

    user: str
    fingerprints: tuple[str, ...]
    response_url: str
    # The message that the button stands in, as Slack has it.
    message: dict[str, Any]


def read_click(body: bytes) -> Click:
    """The click in a form-encoded body. Raises PayloadError."""
    try:
        form = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)
    except ValueError:
        raise PayloadError("the body is not form-encoded") from None
    if len(form.get("payload", ())) != 1:
        raise PayloadError("the form has no payload, or several")
    payload = validated(_PAYLOAD, parsed(form["payload"][0]))
    value = payload.actions[0].value
    if not _FINGERPRINTS.fullmatch(value):
        raise PayloadError("the button's value is no list of fingerprints")
    message = payload.original_message if isinstance(payload, _Legacy) else payload.message
    team = payload.team.id if payload.team is not None else payload.user.team_id
    return Click(
        user=f"{team}/{payload.user.id}",
        fingerprints=tuple(value.split(",")) if value else (),
        response_url=payload.response_url,
        message=message,
    )
