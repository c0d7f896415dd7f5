"""What an error reply of Redis means for a probe."""

from __future__ import annotations

from exporter.probers.failure import ProbeFailure
from exporter.probers.redis.protocol import Refusal
from exporter.probers.result import Reason

_AUTH = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED", "ERR invalid password", "ERR AUTH ")


def failure_of(refusal: Refusal, *, login: bool = False) -> ProbeFailure:
    """Why the target is down if it refuses this; `login` tells that it was AUTH."""
    if "max number of clients" in refusal.text:
        reason = Reason.TOO_MANY_CLIENTS
    elif login or refusal.text.startswith(_AUTH):
        reason = Reason.AUTH
    else:
        # Among them LOADING, MISCONF (cannot write to its disk) and MASTERDOWN.
        reason = Reason.QUERY
    return ProbeFailure(reason, refusal.text)
