"""What Postgres' refusals mean for a probe."""

from __future__ import annotations

import re

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.result import Reason

# By SQLSTATE, which unlike the words is the same in every language
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_STATES = {
    "53300": Reason.TOO_MANY_CLIENTS,
    "28000": Reason.AUTH,
    "28P01": Reason.AUTH,
    # No CONNECT on the database.
    "42501": Reason.AUTH,
    # Starting up, shutting down, recovering.
    "57P03": Reason.CONNECT,
    "3D000": Reason.CONNECT,
}
_QUOTED = re.compile(r'"[^"]*"')
# What libpq says carries no SQLSTATE, and what a pooler says not always the right one.
_WORDS = (
    ("too many clients", Reason.TOO_MANY_CLIENTS),
    ("remaining connection slots", Reason.TOO_MANY_CLIENTS),
    ("too many connections", Reason.TOO_MANY_CLIENTS),
    ("no more connections allowed", Reason.TOO_MANY_CLIENTS),
    ("authentication failed", Reason.AUTH),
    ("no password supplied", Reason.AUTH),
    ("pg_hba.conf", Reason.AUTH),
    ("permission denied", Reason.AUTH),
    ("is not permitted to log in", Reason.AUTH),
    ("failed to resolve host", Reason.DNS),
    ("refused", Reason.CONNECT_REFUSED),
    ("ssl", Reason.TLS),
    ("certificate", Reason.TLS),
    ("timeout", Reason.CONNECT_TIMEOUT),
    ("timed out", Reason.CONNECT_TIMEOUT),
    ("connection reset", Reason.RESET),
    ("closed the connection unexpectedly", Reason.RESET),
)


def login_refused(state: str, text: str) -> ProbeFailure:
    """Why no connection could be had, by the server's SQLSTATE (empty if none) and its words."""
    return ProbeFailure(_STATES.get(state) or _by_words(clean(text)), text)


def silent(timeout: float) -> ProbeFailure:
    """A server that accepts connections and does not say enough."""
    return ProbeFailure(
        Reason.CONNECT_TIMEOUT, f"no connection in {timeout:g} s: it accepts, but is silent"
    )


def _by_words(text: str) -> Reason:
    # Names of databases and users stand in quotes, and may be any of the words.
    words = _QUOTED.sub("", text).lower()
    return next((reason for part, reason in _WORDS if part in words), Reason.CONNECT)
