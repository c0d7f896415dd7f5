"""What Slack shows after a click: who takes care of what, instead of the button."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.ledger.actions import Acknowledgement

Message = dict[str, Any]

# A line names so many alerts; the rest is counted.
_NAMED = 20
_GOOD = "good"


def escaped(text: str) -> str:
    """Text that Slack shows as it is: neither a link nor a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def only_you(text: str) -> Message:
    """An answer that only whoever has clicked sees; the message and its button stay."""
    return {"response_type": "ephemeral", "replace_original": False, "text": escaped(text)}


def told(acknowledgements: Sequence[Acknowledgement]) -> str:
    """Who has acknowledged what, and when; one line for each person and time."""
    if not acknowledgements:
        return "Nothing is left to acknowledge: none of this is open."
    by: dict[tuple[str, datetime], list[Acknowledgement]] = {}
    for one in acknowledgements:
        by.setdefault((one.acknowledged_by, one.acknowledged_at), []).append(one)
    return "\n".join(_line(who, at, alerts) for (who, at), alerts in by.items())


def rewritten(message: Message, acknowledgements: Sequence[Acknowledgement]) -> Message:
    """The message that was clicked in, without its button and with who has acknowledged."""
    text = escaped(told(acknowledgements))
    kept: Message = {"replace_original": True}
    if isinstance(message.get("text"), str):
        kept["text"] = message["text"]
    if blocks := _objects(message.get("blocks")):
        mine = {"type": "mrkdwn", "text": text, "verbatim": True}
        kept["blocks"] = [
            *(block for block in blocks if block.get("type") != "actions"),
            {"type": "context", "elements": [mine]},
        ]
    attachments = [_without_button(one) for one in _objects(message.get("attachments"))]
    if blocks:
        return {**kept, "attachments": attachments} if attachments else kept
    # The text of an attachment is shown as it is unless this says otherwise.
    mine = {"color": _GOOD, "text": text, "fallback": text, "mrkdwn_in": []}
    return {**kept, "attachments": [*attachments, mine]}


def _without_button(attachment: Message) -> Message:
    dropped = ("actions", "callback_id")
    return {name: value for name, value in attachment.items() if name not in dropped}


def _objects(value: object) -> list[Message]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _line(who: str, at: datetime, alerts: Iterable[Acknowledgement]) -> str:
    names = [f"{one.name} {one.service}".strip() for one in alerts]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    when = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return f"Acknowledged by {who} at {when} UTC: {', '.join(names[:_NAMED])}{more}"
