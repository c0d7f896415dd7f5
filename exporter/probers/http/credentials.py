"""The Authorization header of a service, from files that are read again when they change."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.files import Watched
from exporter.probers.result import Reason
from model.targets import Service

# Gives the header's line with its end, or nothing. Raises ProbeFailure if a file cannot be used.
Authorization = Callable[[], bytes]


def authorization(service: Service, url: str) -> Authorization | None:
    """How a service is authorised: by a file, by credentials in its URL, or not at all."""
    if service.bearer_token_file is not None:
        return _Cached(Watched(service.bearer_token_file), _bearer).line
    if service.basic_auth_password_file is not None:
        user = service.basic_auth_username or ""
        return _Cached(
            Watched(service.basic_auth_password_file), lambda password: _basic(user, password)
        ).line
    parts = urlsplit(url)
    if parts.username is None:
        return None
    line = _basic(unquote(parts.username), unquote(parts.password or ""))
    return lambda: line


class _Cached:
    """A header's line made of a file's text, made again only for another text."""

    __slots__ = ("_file", "_line", "_make", "_text")

    def __init__(self, file: Watched, make: Callable[[str], bytes]) -> None:
        self._file = file
        self._make = make
        self._text: str | None = None
        self._line = b""

    def line(self) -> bytes:
        try:
            text = self._file.text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ProbeFailure(Reason.AUTH, f"the secret's file cannot be read: {why}") from None
        if text != self._text:
            # Anything else would let a file write headers of its own.
            if not text or not text.isprintable():
                raise ProbeFailure(Reason.AUTH, "the secret's file is not one line of text")
            self._line = self._make(text)
            self._text = text
        return self._line


def _bearer(token: str) -> bytes:
    return b"Authorization: Bearer %b\r\n" % token.encode()


def _basic(user: str, password: str) -> bytes:
    """RFC 7617."""
    return b"Authorization: Basic %b\r\n" % base64.b64encode(f"{user}:{password}".encode())
