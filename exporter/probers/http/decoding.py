"""Decompression of a body within a limit, so that a bomb goes off in small pieces."""

from __future__ import annotations

import zlib

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.failure import excerpt
from exporter.probers.result import Reason

# zlib: 15 bits of window, plus 32 to tell gzip from zlib by itself.
_GZIP_OR_ZLIB = 15 + 32
_RAW_DEFLATE = -15
_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC = len(_GZIP_MAGIC)
# Each is a decompressor to set up, so thousands of tiny ones would be a bomb of another kind.
_MAX_MEMBERS = 100


class Decoder:
    """Decompresses gzip (RFC 1952) and deflate (RFC 1950, or RFC 1951 as many servers send it)."""

    __slots__ = ("_held", "_members", "_name", "_zlib")

    def __init__(self, name: str) -> None:
        self._name = name
        self._zlib: zlib._Decompress | None = None
        self._held = b""
        self._members = 1

    def decode(self, data: bytes, limit: int) -> bytes:
        """Decompress, to no more than `limit` bytes; raise ProbeFailure on what is not valid."""
        if self._zlib is None:
            data = self._held + data
            if len(data) < _MAGIC:
                self._held = data
                return b""
            self._zlib = zlib.decompressobj(self._format(data))
        decoded = b""
        while data:
            try:
                decoded += self._zlib.decompress(data, limit - len(decoded))
            except zlib.error:
                raise self._broken() from None
            if len(decoded) >= limit:
                break
            data = self._zlib.unused_data
            if data:
                self._members += 1
                if self._members > _MAX_MEMBERS:
                    raise ProbeFailure(Reason.TOO_LARGE, f"over {_MAX_MEMBERS} gzip members")
                # gzip files may be members put together (RFC 1952, 2.2).
                self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
        return decoded

    def end(self) -> None:
        """The body is over; raise ProbeFailure if its compression is not."""
        if self._held if self._zlib is None else not self._zlib.eof:
            raise self._broken()

    def _format(self, data: bytes) -> int:
        """Which of three formats "deflate" is; both bytes are needed to tell (RFC 1950, 2.2)."""
        headed = data.startswith(_GZIP_MAGIC) or (
            data[0] & 15 == zlib.DEFLATED and (data[0] << 8 | data[1]) % 31 == 0
        )
        return _GZIP_OR_ZLIB if headed or self._name != "deflate" else _RAW_DEFLATE

    def _broken(self) -> ProbeFailure:
        return ProbeFailure(Reason.PROTOCOL, f"the body is not valid {self._name}")


def decoder_of(coding: bytes) -> Decoder | None:
    """The decoder for a Content-Encoding; None for identity. Raises ProbeFailure on others."""
    match coding.strip().lower():
        case b"" | b"identity":
            return None
        case b"gzip" | b"x-gzip":
            return Decoder("gzip")
        case b"deflate":
            return Decoder("deflate")
    raise ProbeFailure(Reason.PROTOCOL, f"unknown content coding {excerpt(coding)}")
