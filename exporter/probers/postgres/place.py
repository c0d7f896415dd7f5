"""Where a Postgres is and who we are there, as its URL and libpq's environment say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from exporter.probers.http.tls import TlsSettings

APPLICATION = "monitoring-service"

# What we know to do ourselves; with any other parameter libpq logs in. Those that are None are
# of no consequence for a visit: keepalives, for one.
_KNOWN: Mapping[str, frozenset[str] | None] = {
    **dict.fromkeys(("host", "port", "user", "password", "dbname", "options", "sslrootcert")),
    **dict.fromkeys(("application_name", "fallback_application_name", "client_encoding")),
    **dict.fromkeys(("connect_timeout", "tcp_user_timeout")),
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")),
    "sslmode": frozenset({"disable", "prefer", "require", "verify-full"}),
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "target_session_attrs": frozenset({"any"}),
}
# Files that libpq reads if they are there.
_ITS_CERTIFICATES = Path("~/.postgresql")


@dataclass(frozen=True, slots=True)
class Place:
    """A server's address and what a login there needs.

    `tls` is None if the connection is not to be secured, `tls_required` whether it has to be.
    """

    host: str
    port: int
    parameters: Mapping[str, str]
    password: str | None = field(repr=False)
    tls: TlsSettings | None
    tls_required: bool

    @classmethod
    def of(cls, url: str) -> Place | None:
        """What a URL says; None if libpq has to log in, which knows more than we do."""
        try:
            given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        except psycopg.ProgrammingError:
            return None  # libpq says what is wrong with it
        settings = {**_environment(), **given}
        if not _is_ours(settings):
            return None
        user = settings["user"]
        parameters = {
            "user": user,
            "database": settings.get("dbname") or user,
            "application_name": APPLICATION,
            "client_encoding": "UTF8",
        }
        if "options" in settings:
            parameters["options"] = settings["options"]
        mode = settings.get("sslmode", "prefer")
        return cls(
            settings["host"],
            int(settings.get("port", "5432")),
            parameters,
            settings.get("password"),
            _tls(mode, settings.get("sslrootcert")),
            mode not in ("disable", "prefer"),
        )


def _environment() -> dict[str, str]:
    """What libpq takes from variables, and its defaults."""
    return {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if option.val is not None and (option.val != option.compiled or option.keyword == b"user")
    }


def _is_ours(settings: Mapping[str, str]) -> bool:
    for name, value in settings.items():
        if name not in _KNOWN:
            return False
        allowed = _KNOWN[name]
        if allowed is not None and value not in allowed:
            return False
    host, port = settings.get("host", ""), settings.get("port", "5432")
    if not host or host.startswith(("/", "@")) or "," in host or not port.isdigit():
        return False
    if not settings.get("user"):
        return False
    password = settings.get("password")
    if password is None:
        # Then it may stand in a file (libpq-pgpass).
        return not Path("~/.pgpass").expanduser().exists() and _tls_is_ours(settings)
    # What is not ASCII would have to be prepared (RFC 4013).
    return password.isascii() and password.isprintable() and _tls_is_ours(settings)


def _tls_is_ours(settings: Mapping[str, str]) -> bool:
    mode = settings.get("sslmode", "prefer")
    if mode == "disable":
        return True
    if mode == "verify-full":
        return "sslrootcert" in settings and not _certificates()
    return "sslrootcert" not in settings and not _certificates()


def _certificates() -> bool:
    try:
        return any(_ITS_CERTIFICATES.expanduser().iterdir())
    except OSError:
        return False


def _tls(mode: str, authority: str | None) -> TlsSettings | None:
    if mode == "disable":
        return None
    if mode == "verify-full":
        return TlsSettings(ca_file=None if authority in (None, "system") else Path(authority or ""))
    return TlsSettings(insecure_skip_verify=True)
