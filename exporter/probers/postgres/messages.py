"""Messages of Postgres' protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from exporter.probers.failure import ProbeFailure
from exporter.probers.result import Reason

SSL_REQUEST = struct.pack("!II", 8, 80877103)
TERMINATE = b"X\0\0\0\4"
_PROTOCOL = 3 << 16
_HEAD = struct.Struct("!cI")
# What a server says until a trivial query is answered takes some 500 bytes.
_MOST_BYTES = 1 << 16
# Those that a server may send before it is ready for the next query.
_KINDS = frozenset(b"RSKvENZTDCIA")


def startup(parameters: Mapping[str, str]) -> bytes:
    """StartupMessage."""
    words = [word.encode() for pair in parameters.items() for word in pair]
    body = b"\0".join(words) + b"\0\0"
    return struct.pack("!II", len(body) + 8, _PROTOCOL) + body


def message(kind: bytes, body: bytes) -> bytes:
    """Any other message."""
    return _HEAD.pack(kind, len(body) + 4) + body


class Messages:
    """Takes what a server sends apart."""

    __slots__ = ("_left", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._left = _MOST_BYTES

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The kind and the body of each message that is complete. Raises ProbeFailure."""
        self._left -= len(data)
        if self._left < 0:
            raise ProbeFailure(Reason.TOO_LARGE, f"it sends over {_MOST_BYTES} bytes")
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(data, at)
            if kind[0] not in _KINDS or not 4 <= length <= _MOST_BYTES:
                raise ProbeFailure(Reason.PROTOCOL, "it does not speak Postgres' protocol")
            if end - at <= length:
                break
            yield kind, data[at + _HEAD.size : at + 1 + length]
            at += 1 + length
        self._rest = data[at:]


def fields(body: bytes) -> Mapping[str, str]:
    """What an ErrorResponse says: S, C and M are its severity, SQLSTATE and message."""
    parts = (part for part in body.split(b"\0") if part)
    return {chr(part[0]): part[1:].decode("utf-8", "replace") for part in parts}
