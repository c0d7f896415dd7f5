"""Words for failures that only a connection or an HTTP answer can have."""

from __future__ import annotations

import errno
import os

from exporter.probers.failure import ProbeFailure
from exporter.probers.result import Reason

_CONNECT_REASONS = {
    errno.ECONNREFUSED: Reason.CONNECT_REFUSED,
    errno.ETIMEDOUT: Reason.CONNECT_TIMEOUT,
    # These are faults of ours: the target may be well.
    errno.EMFILE: Reason.INTERNAL,
    errno.ENFILE: Reason.INTERNAL,
    errno.ENOBUFS: Reason.INTERNAL,
    errno.ENOMEM: Reason.INTERNAL,
    errno.EADDRNOTAVAIL: Reason.INTERNAL,
}


def connect_failed(code: int) -> ProbeFailure:
    """A connection that could not be made, by the system's errno."""
    reason = _CONNECT_REASONS.get(code, Reason.CONNECT)
    return ProbeFailure(reason, f"cannot connect: {os.strerror(code)}")


def excerpt(value: bytes | str, length: int = 60) -> str:
    """Quote the beginning of what a target sent, cut to `length` characters."""
    text = value[: length + 1]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return ascii(text) if len(text) <= length else ascii(text[:length]) + "..."
