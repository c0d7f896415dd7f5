"""Who does something to an alert, and from where: what the audit trail keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Via = Literal["api", "console", "slack", "pagerduty", "worker", "command"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever is authenticated, never what a body claims; that is only `on_behalf_of`.

    `name` is a token's subject, the person whom the config knows by a Slack or PagerDuty user, or
    who runs a command on the machine.
    `via` is the channel. `address` is where the request came from, `request_id` names it in logs.
    """

    name: str
    via: Via
    on_behalf_of: str | None = None
    address: str | None = None
    request_id: str | None = None
