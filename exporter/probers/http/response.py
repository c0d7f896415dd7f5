"""Reading one HTTP answer within limits, whatever the target sends (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httptools

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.decoding import Decoder, decoder_of
from exporter.probers.result import Reason

_LEAST_STATUS = 100
_SWITCHING_PROTOCOLS = 101
_LENGTH = b"content-length"
_TRANSFER_CODING = b"transfer-encoding"
_CONTENT_CODING = b"content-encoding"
# What is received for a byte of body at most: a chunk of one byte takes six.
_MAX_FRAMING = 8

# Headers that have to be kept to read an answer at all.
FRAMING = frozenset({_LENGTH, _TRANSFER_CODING, _CONTENT_CODING})


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers are read: limits in bytes, the body's after decompression.

    `headers` are the names of those to keep, in lower case. `only_headers` is for HEAD, whose
    answers have no body whatever their headers say; `keep_alive` asks whether the connection can
    be used again.
    """

    max_header_bytes: int
    max_body_bytes: int
    headers: frozenset[bytes] = FRAMING
    only_headers: bool = False
    keep_alive: bool = False


class Parser(Protocol):
    """What is used of httptools.HttpResponseParser, which has no types."""

    def feed_data(self, data: bytes) -> None: ...
    def get_status_code(self) -> int: ...
    def get_http_version(self) -> str: ...
    def should_keep_alive(self) -> bool: ...


class Response:
    """One answer as it arrives: a Reader for a connection, and the callbacks of the parser.

    `length` is the Content-Length, -1 if not given; `headers` have names in lower case. Framing
    that is broken, or a limit that is passed, raises ProbeFailure.
    """

    __slots__ = (
        "_chunked",
        "_complete",
        "_decoder",
        "_failure",
        "_headers_done",
        "_limit",
        "_parser",
        "_pieces",
        "_reading",
        "_received",
        "_wanted",
        "body",
        "body_length",
        "headers",
        "length",
        "reusable",
        "status",
        "version",
    )

    def __init__(self, reading: Reading) -> None:
        self._parser: Parser = httptools.HttpResponseParser(self)
        self._reading = reading
        self._wanted = reading.headers
        self._received = 0
        # The headers' at first; that of all, framing included, once they are complete.
        self._limit = reading.max_header_bytes
        self._headers_done = False
        self._complete = False
        self._chunked = False
        self._decoder: Decoder | None = None
        self._failure: ProbeFailure | None = None
        self._pieces: list[bytes] | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.body_length = 0
        self.length = -1
        self.reusable = False
        self.status = 0
        self.version = ""

    # --- for the connection ---------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the answer is complete."""
        while data and not self._complete:
            # Never past a limit, so that it makes no difference how the bytes were put together.
            left = self._limit - self._received
            if not left:
                raise self._too_much()
            piece = data[:left]
            data = data[left:]
            self._received += len(piece)
            failure = self._parse(piece)
            if failure is not None:
                raise failure
        return self._complete

    def end(self) -> None:
        """Nothing more will come; raise ProbeFailure if that is too early."""
        if not self._received:
            raise ProbeFailure(Reason.RESET, "the target closed the connection without an answer")
        if not self._headers_done or self.length >= 0 or self._chunked:
            raise ProbeFailure(
                Reason.PROTOCOL, "the target closed the connection before its answer was complete"
            )
        self.on_message_complete()

    def let_go(self) -> None:
        """Part from what refers back to this, so that a probe leaves no work for the gc."""
        del self._parser
        self._failure = None

    def _parse(self, data: bytes) -> Exception | None:
        """Feed the parser; give back what is wrong with the data.

        Raised here, it would have the parser's error as its context, whose traceback keeps the
        whole probe alive until the gc comes.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete = True
        except httptools.HttpParserError as error:
            return self._told(error)
        return None

    def _too_much(self) -> ProbeFailure:
        if self._headers_done:
            return ProbeFailure(Reason.TOO_LARGE, "chunk extensions or trailers without end")
        return ProbeFailure(Reason.TOO_LARGE, f"the headers are over {self._limit} bytes")

    def _told(self, error: Exception) -> Exception:
        if self._failure is not None:
            return self._failure
        if isinstance(error, httptools.HttpParserCallbackError) and error.__context__:
            # A defect of ours, not the target's.
            return error.__context__ if isinstance(error.__context__, Exception) else error
        return ProbeFailure(Reason.PROTOCOL, f"not a valid HTTP answer: {error}")

    # --- for the parser -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Another answer follows in the same piece: the connection cannot be used again."""
        self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header if it is wanted; those after the body are not."""
        name = name.lower()
        if name in self._wanted and not self._headers_done:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Read what the framing and coding of the body depend on."""
        if self._complete:
            raise self._failed(Reason.PROTOCOL, "the target sent more than one answer")
        status = self._parser.get_status_code()
        if status < _LEAST_STATUS:
            raise self._failed(Reason.PROTOCOL, f"{status:03} is not a status code")
        if status < 200 and status != _SWITCHING_PROTOCOLS:
            # 100 Continue, 103 Early Hints: the answer is still to come (RFC 9110, 15.2).
            self.headers.clear()
            return
        self.status = status
        self.version = self._parser.get_http_version()
        self._headers_done = True
        self._limit += self._reading.max_body_bytes * _MAX_FRAMING
        for name, value in self.headers:
            if name == _LENGTH:
                self.length = int(value)
            elif name == _TRANSFER_CODING:
                self._chunked = True
                if value.lower() != b"chunked":
                    raise self._failed(Reason.PROTOCOL, "the transfer coding is not chunked")
            elif name == _CONTENT_CODING and not self._reading.only_headers:
                self._decode_by(value)
        if self._reading.only_headers or status == _SWITCHING_PROTOCOLS:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body; what comes in spite of HEAD is none."""
        if self._complete:
            return
        if not self._headers_done:
            # The parser minds a Content-Length there, though it means nothing (RFC 9112, 6.3).
            raise self._failed(Reason.PROTOCOL, "an interim answer has a body")
        limit = self._reading.max_body_bytes
        if self._decoder is not None:
            try:
                data = self._decoder.decode(data, limit - self.body_length + 1)
            except ProbeFailure as failure:
                self._failure = failure
                raise
        self.body_length += len(data)
        if self.body_length > limit:
            raise self._failed(Reason.TOO_LARGE, f"the body is over {limit} bytes")
        if not self.body:
            self.body = data
        elif self._pieces is None:
            self._pieces = [self.body, data]
        else:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one."""
        if not self._headers_done:
            return
        if self._decoder is not None:
            self._decoder.end()
        if self._pieces is not None:
            self.body = b"".join(self._pieces)
        if self._reading.keep_alive:
            self.reusable = self._parser.should_keep_alive()
        self._complete = True

    def _decode_by(self, coding: bytes) -> None:
        if self._decoder is not None:
            raise self._failed(Reason.PROTOCOL, "the body is compressed more than once")
        try:
            self._decoder = decoder_of(coding)
        except ProbeFailure as failure:
            self._failure = failure
            raise

    def _failed(self, reason: Reason, detail: str) -> ProbeFailure:
        self._failure = ProbeFailure(reason, detail)
        return self._failure
