"""TLS spoken over bytes that somebody else sends and receives."""

from __future__ import annotations

import ssl

# As much is decrypted at a time.
_CHUNK = 65536


class Channel:
    """One side of a TLS connection (RFC 8446): bytes in, bytes out, no socket.

    So its first message, which takes OpenSSL 0.2 to 0.3 ms, can be made before anybody connects,
    and what arrives is read by its own call, with the kernel's stamp.
    """

    __slots__ = ("_incoming", "_outgoing", "object")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    def shake_hands(self) -> bool:
        """Go on with the handshake; True when it is done. Raises ssl.SSLError."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self, data: bytes) -> None:
        """What has arrived; nothing when the other side has closed the connection."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    @property
    def taken(self) -> bool:
        """Whether something that has arrived was not read yet."""
        return self._incoming.pending > 0

    def read(self) -> bytes | None:
        """What has been said inside, b"" at its end, None before more arrives.

        A connection that is closed without a word counts as an end. Raises ssl.SSLError.
        """
        try:
            return self.object.read(_CHUNK)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def write(self, data: bytes) -> None:
        """Say something inside."""
        if data:
            self.object.write(data)

    def to_send(self) -> bytes:
        """What has to be sent now."""
        return self._outgoing.read()
