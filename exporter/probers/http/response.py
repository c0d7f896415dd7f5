"""Reading one HTTP answer within limits, whatever the target sends (RFC 9112)."""

from __future__ import annotations

from typing import Protocol

import httptools

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.decoding import Decoder, decoder_of
from exporter.probers.result import Reason


class Parser(Protocol):
    """What is used of httptools.HttpResponseParser, which has no types."""

    def feed_data(self, data: bytes) -> None: ...
    def get_status_code(self) -> int: ...
    def get_http_version(self) -> str: ...


class Response:
    """One answer as it arrives: a Reader for a connection and the callbacks of the parser.

    `max_header` and `max_body` are in bytes; the body is counted after decompression. `length` is
    the Content-Length, -1 if not given. A limit or a framing that is broken raises ProbeFailure.
    """

    __slots__ = (
        "_chunked",
        "_complete",
        "_decoder",
        "_failure",
        "_headers_done",
        "_left_for_header",
        "_max_body",
        "_parser",
        "_pieces",
        "_without_body",
        "body",
        "body_length",
        "headers",
        "length",
        "status",
        "version",
    )

    def __init__(self, max_header: int, max_body: int, *, without_body: bool = False) -> None:
        self._parser: Parser = httptools.HttpResponseParser(self)
        self._left_for_header = max_header
        self._max_body = max_body
        self._without_body = without_body
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
        self.status = 0
        self.version = ""

    # --- for the connection ---------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the answer is complete."""
        if not self._headers_done:
            data = self._within_header_limit(data)
        self._parse(data)
        return self._complete

    def end(self) -> None:
        """Nothing more will come; raise ProbeFailure if that is too early."""
        if not self._headers_done:
            raise ProbeFailure(Reason.RESET, "the target closed the connection without an answer")
        if self.length >= 0 or self._chunked:
            raise ProbeFailure(
                Reason.PROTOCOL, "the target closed the connection before its answer was complete"
            )
        self.on_message_complete()

    def _within_header_limit(self, data: bytes) -> bytes:
        left = self._left_for_header
        self._left_for_header = left - len(data)
        if self._left_for_header >= 0:
            return data
        self._parse(data[:left])
        if self._headers_done:
            return data[left:]
        raise ProbeFailure(Reason.TOO_LARGE, "the headers are over the limit")

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete = True
        except httptools.HttpParserCallbackError as error:
            if self._failure is not None:
                raise self._failure from None
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            raise ProbeFailure(Reason.PROTOCOL, f"not a valid HTTP answer: {error}") from None

    # --- for the parser -------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, or a trailer."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Read what the framing and coding of the body depend on."""
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            # 100 Continue, 103 Early Hints: the answer is still to come (RFC 9110, 15.2).
            self.headers.clear()
            return
        if self._complete:
            raise self._failed(Reason.PROTOCOL, "the target sent a second answer")
        self.status = status
        self.version = self._parser.get_http_version()
        self._headers_done = True
        for name, value in self.headers:
            match name.lower():
                case b"content-length":
                    self.length = int(value)
                case b"transfer-encoding":
                    self._chunked = True
                    if value.strip().lower() != b"chunked":
                        raise self._failed(Reason.PROTOCOL, "unknown transfer coding")
                case b"content-encoding":
                    self._decoder = decoder_of(value)
        if self._without_body:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if self._decoder is not None:
            try:
                data = self._decoder.decode(data, self._max_body - self.body_length + 1)
            except ProbeFailure as failure:
                self._failure = failure
                raise
        self.body_length += len(data)
        if self.body_length > self._max_body:
            raise self._failed(Reason.TOO_LARGE, f"the body is over {self._max_body} bytes")
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
        self._complete = True

    def _failed(self, reason: Reason, detail: str) -> ProbeFailure:
        self._failure = ProbeFailure(reason, detail)
        return self._failure
