"""What is said to Postgres in one visit: a login and one trivial query. It knows no sockets."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from exporter.probers.failure import ProbeFailure
from exporter.probers.postgres.failures import login_refused
from exporter.probers.postgres.messages import Messages, fields, message, startup
from exporter.probers.postgres.scram import MECHANISM, Exchange, Keys, md5
from exporter.probers.result import Reason

_QUERY = message(b"Q", b"SELECT 1\0")
# AuthenticationRequests (protocol-message-formats).
_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_QUERY_CANCELED = "57014"


class Foreign(Exception):  # noqa: N818 - not a failure: libpq has to do it
    """The server wants a login of a kind that is libpq's: GSSAPI, a certificate, OAuth."""


class Login:
    """Logs in, asks `SELECT 1`, reads the answer.

    `keys` may be of an earlier login, and are taken if the server names their salt. Where they
    are missing `feed` gives None, and `resume` goes on with new ones.
    """

    __slots__ = (
        "_authenticated",
        "_exchange",
        "_messages",
        "_password",
        "_startup",
        "_user",
        "keys",
        "over",
        "ready",
    )

    def __init__(
        self, parameters: Mapping[str, str], password: str | None, keys: Keys | None
    ) -> None:
        self._startup = startup(parameters)
        self._user, self._password = parameters["user"], password
        self._messages = Messages()
        self._exchange = Exchange()
        self._authenticated = False
        self.keys = keys
        # Whether the login has succeeded, and so the query was sent; whether it was answered.
        self.ready = False
        self.over = False

    def opening(self) -> bytes:
        """The first message."""
        return self._startup

    def feed(self, data: bytes) -> bytes | None:
        """Take what the server sent, and give what to send; None if keys are needed first.

        Raises ProbeFailure, and Foreign if libpq has to do this login.
        """
        answer: bytes | None = b""
        for kind, body in self._messages.feed(data):
            if kind == b"E":
                raise self._refused(body)
            if kind == b"R":
                answer = self._authenticate(body)
            elif kind == b"Z":
                if not self._authenticated:
                    raise _not_postgres()
                self.over = self.ready
                self.ready = True
                answer = b"" if self.over else _QUERY
        return answer

    def needed(self) -> tuple[str, bytes, int]:
        """The password, the salt and the iterations that `resume` needs the keys of."""
        return self._password or "", self._exchange.salt, self._exchange.iterations

    def resume(self, keys: Keys) -> bytes:
        """Go on with keys."""
        self.keys = keys
        return message(b"p", self._exchange.final(keys))

    def _authenticate(self, body: bytes) -> bytes | None:
        if len(body) < 4:
            raise _not_postgres()
        (what,), rest = struct.unpack_from("!I", body), body[4:]
        if what == _OK:
            # A server that skips the end of the exchange has not proved that it knows the password.
            if self._exchange.begun and not self._exchange.finished:
                raise _not_postgres()
            self._authenticated = True
            return b""
        if what == _SASL_FINAL:
            self._exchange.read_final(rest)
            return b""
        if what == _SASL_CONTINUE:
            return self._continue(rest)
        if what not in (_CLEARTEXT, _MD5, _SASL):
            raise Foreign
        if self._password is None:
            raise ProbeFailure(Reason.AUTH, "the server wants a password, and the URL has none")
        if what == _CLEARTEXT:
            return message(b"p", self._password.encode() + b"\0")
        if what == _MD5:
            return message(b"p", md5(self._user, self._password, rest) + b"\0")
        if MECHANISM not in rest.split(b"\0"):
            raise Foreign
        first = self._exchange.first()
        return message(b"p", MECHANISM + b"\0" + struct.pack("!I", len(first)) + first)

    def _continue(self, said: bytes) -> bytes | None:
        exchange, keys = self._exchange, self.keys
        exchange.read_first(said)
        if keys is None or (keys.salt, keys.iterations) != (exchange.salt, exchange.iterations):
            return None
        return message(b"p", exchange.final(keys))

    def _refused(self, body: bytes) -> ProbeFailure:
        said = fields(body)
        state, text = said.get("C", ""), said.get("M", "")
        severity = said.get("S", "ERROR")
        if not self.ready:
            # Whatever was wrong, the password may have changed.
            self.keys = None
            return login_refused(state, f"{severity}: {text}")
        if state == _QUERY_CANCELED:
            return ProbeFailure(Reason.TIMEOUT, text)
        # FATAL is what a backend says that is being ended.
        if said.get("V", severity) in ("FATAL", "PANIC"):
            return ProbeFailure(Reason.RESET, f"the connection broke: {text}")
        return ProbeFailure(Reason.QUERY, text)


def _not_postgres() -> ProbeFailure:
    return ProbeFailure(Reason.PROTOCOL, "it does not speak Postgres' protocol")
