"""Commands to bytes, and bytes to replies (RESP 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import hiredis

from exporter.probers.failure import ProbeFailure
from exporter.probers.result import Reason

# INFO with 400 commands in its statistics takes 60 KB.
_MOST_BYTES = 1 << 20
_MORE = object()
# hiredis makes room for all elements of an array, a map, a set, a push or an attribute before it
# has seen one; nothing that we ask for has 10,000.
_HEADERS = (b"\n*", b"\n%", b"\n~", b"\n>", b"\n|")
_MOST_DIGITS = 4


class Refusal(Exception):  # noqa: N818 - an answer like others; hiredis wants it to be an exception
    """An error reply: Redis does not do what it was asked. It is never raised."""

    @property
    def text(self) -> str:
        """Redis' words."""
        return str(self)


# A reply as hiredis makes it. Null is None.
Reply = bytes | int | None | Refusal | list["Reply"]


class Script:
    """Commands that are sent all at once; `secrets` are what must not be seen in the replies."""

    __slots__ = ("count", "payload", "secrets")

    def __init__(self, commands: Sequence[Sequence[str]], secrets: Iterable[str] = ()) -> None:
        self.payload = b"".join(map(_encoded, commands))
        self.count = len(commands)
        self.secrets = tuple(secrets)

    def refusal(self, text: str) -> Refusal:
        """A refusal without the secrets: an old Redis repeats a command that it does not know."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return Refusal(text)


def _encoded(words: Sequence[str]) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n%b" % (
        len(encoded),
        b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded),
    )


class Replies:
    """Collects the replies to a script: a Reader for a connection."""

    __slots__ = ("_left", "_parser", "_tail", "_wanted", "received")

    def __init__(self, script: Script) -> None:
        self._wanted = script.count
        self._left = _MOST_BYTES
        self._parser = hiredis.Reader(replyError=script.refusal, notEnoughData=_MORE)
        # What may be the beginning of a header whose rest comes later.
        self._tail = b"\n"
        self.received: list[Reply] = []

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when all replies are there."""
        self._left -= len(data)
        if self._left < 0:
            raise ProbeFailure(Reason.TOO_LARGE, f"the replies are over {_MOST_BYTES} bytes")
        seen = self._tail + data
        if any(_too_long(seen, header) for header in _HEADERS):
            raise ProbeFailure(Reason.PROTOCOL, "a reply of 10,000 elements or more")
        self._tail = seen[-_MOST_DIGITS - 2 :]
        failure = self._parse(data)
        if failure is not None:
            raise failure
        return len(self.received) >= self._wanted

    def refused(self) -> bool:
        """Whether Redis has refused something, after which it may hang up."""
        return any(isinstance(reply, Refusal) for reply in self.received)

    def end(self) -> None:
        """Nothing more will come: all is said if Redis has refused something, then hung up."""
        if not self.refused():
            raise ProbeFailure(Reason.RESET, "the target closed the connection without an answer")

    def _parse(self, data: bytes) -> ProbeFailure | None:
        """Feed the parser; give back what is wrong, whose context would be kept if raised here."""
        try:
            self._parser.feed(data)
            while len(self.received) < self._wanted:
                reply = self._parser.gets()
                if reply is _MORE:
                    break
                self.received.append(reply)
        except (hiredis.ProtocolError, MemoryError) as error:
            return ProbeFailure(Reason.PROTOCOL, f"not Redis' protocol: {error}")
        return None


def _too_long(data: bytes, header: bytes) -> bool:
    """Whether a header announces more elements than it may."""
    at = data.find(header)
    while at >= 0:
        digits = data[at + 2 : at + 3 + _MOST_DIGITS]
        if len(digits) > _MOST_DIGITS and digits.isdigit():
            return True
        at = data.find(header, at + 2)
    return False


def text_of(reply: object) -> str | None:
    """A reply as text, None if it is none."""
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else None
