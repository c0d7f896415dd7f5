"""What was sent and received over one connection, line by line, in its own protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exporter.conversation.connection import RecordedConnection
from exporter.conversation.http_head import Head
from exporter.conversation.redaction import HIDDEN, Redactor
from exporter.probers.http.response import Response
from exporter.probers.redis.protocol import Replies
from model.visible import printable

_MOST_LINES = 200
# Characters of a body that are shown, after secrets were taken out of these.
_LONGEST_BODY = 4096
_REDACTED = 16384


def messages(connection: RecordedConnection, redactor: Redactor) -> Iterator[str]:
    """The lines of a connection: `>` is what we sent, `<` what we were sent."""
    if not connection.sent_at:
        yield "  nothing was sent"
        yield from _quoted("<", bytes(connection.received), redactor)
    elif isinstance(connection.reader, Response):
        yield from _http(connection, connection.reader, redactor)
    elif isinstance(connection.reader, Replies):
        yield from _redis(connection, redactor)
    else:
        yield from _quoted(">", connection.request, redactor)
        yield from _quoted("<", bytes(connection.received), redactor)


def quoted(mark: str, text: str, size: int) -> Iterator[str]:
    """The beginning of a text of `size` bytes in all, as lines with a mark before each."""
    lines = text[:_LONGEST_BODY].splitlines()
    for line in lines[:_MOST_LINES]:
        yield f"  {mark} {printable(line)}".rstrip()
    if size > _LONGEST_BODY or len(lines) > _MOST_LINES:
        yield f"  {mark} ... ({size} bytes in all)"


def _quoted(mark: str, data: bytes, redactor: Redactor) -> Iterator[str]:
    text = data[: 4 * _REDACTED].decode("utf-8", "replace")
    return quoted(mark, redactor.beginning(text, _REDACTED), len(data))


def _http(connection: RecordedConnection, answer: Response, redactor: Redactor) -> Iterator[str]:
    yield from _http_message(">", connection.request, redactor)
    received = bytes(connection.received)
    head = Head.of(received)
    if head is None or not received.startswith(b"HTTP/"):
        yield from _quoted("<", received, redactor)
        return
    yield from _head_lines("<", head, redactor)
    # As it was decoded: in chunks or compressed, a secret would pass unseen.
    if answer.body:
        yield "  <"
        yield from _quoted("<", answer.body, redactor)


def _http_message(mark: str, data: bytes, redactor: Redactor) -> Iterator[str]:
    head = Head.of(data)
    if head is None:
        return
    yield from _head_lines(mark, head, redactor)
    if data[head.length :]:
        yield f"  {mark}"
        yield from _quoted(mark, data[head.length :], redactor)


def _head_lines(mark: str, head: Head, redactor: Redactor) -> Iterator[str]:
    yield f"  {mark} {printable(redactor.said(head.lines[0]))}"
    for line in head.lines[1 : _MOST_LINES + 1]:
        yield f"  {mark} {printable(redactor.header(line))}"
    if len(head.lines) > _MOST_LINES + 1:
        yield f"  {mark} ... ({len(head.lines) - 1} headers in all)"


def _redis(connection: RecordedConnection, redactor: Redactor) -> Iterator[str]:
    for command in _resp(connection.request):
        words = [word.decode("utf-8", "replace") for word in command]
        shown = [words[0], HIDDEN] if words[0].upper() in ("AUTH", "HELLO") else words
        yield f"  > {printable(redactor.said(' '.join(shown)))}"
    for reply in _resp(bytes(connection.received)):
        yield from _quoted("<", _reply_text(reply).encode(), redactor)


def _resp(data: bytes) -> Iterator[Any]:
    """Values of Redis' protocol, up to the first that is incomplete or broken."""
    import hiredis

    reader = hiredis.Reader(notEnoughData=_NOTHING)
    reader.feed(data)
    while True:
        try:
            value = reader.gets()
        except hiredis.ProtocolError:
            return
        if value is _NOTHING:
            return
        yield value


_NOTHING = object()


def _reply_text(reply: Any) -> str:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace") or '""'
    if isinstance(reply, list):
        return ", ".join(map(_reply_text, reply)) or "(empty)"
    return "(nil)" if reply is None else str(reply)
