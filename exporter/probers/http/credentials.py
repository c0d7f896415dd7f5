"""The Authorization header of a service, from files that are read again when they change."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.files import Watched
from exporter.probers.result import Reason
from model.targets import HttpTarget


class Authorization:
    """A service's Authorization header, made again only when its secret changes."""

    __slots__ = ("_line", "_make", "_read", "_text")

    def __init__(self, read: Callable[[], str], make: Callable[[str], bytes]) -> None:
        self._read = read
        self._make = make
        self._text: str | None = None
        self._line = b""

    def line(self) -> bytes:
        """The header's line with its end. Raises ProbeFailure if the secret cannot be read."""
        text = self._read()
        if text != self._text:
            self._line = b"Authorization: %b\r\n" % self._make(text)
            self._text = text
        return self._line

    def hide(self, text: str) -> str:
        """A target's words without the secret, which it may repeat."""
        encoded = self._line.decode().strip().rpartition(" ")[2]
        for secret in (self._text, encoded):
            if secret:
                text = text.replace(secret, "***")
        return text


def authorization(service: HttpTarget, url: str) -> Authorization | None:
    """How a service is authorised: by a file, by credentials in its URL, or not at all."""
    if service.bearer_token_file is not None:
        return Authorization(secret_in(service.bearer_token_file), _bearer)
    if service.basic_auth_password_file is not None:
        user = service.basic_auth_username or ""
        password = secret_in(service.basic_auth_password_file)
        return Authorization(password, lambda text: _basic(user, text))
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return None
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    return Authorization(lambda: secret, lambda text: _basic(user, text))


def secret_in(file: Path) -> Callable[[], str]:
    """Reads a secret's file whenever it has changed; raises ProbeFailure if it cannot."""
    watched = Watched(file)

    def read() -> str:
        try:
            text = watched.text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ProbeFailure(Reason.AUTH, f"the secret's file cannot be read: {why}") from None
        # Anything but one line would let a file write headers of its own.
        if not text or not text.isprintable():
            raise ProbeFailure(Reason.AUTH, "the secret's file is not one line of text")
        return text

    return read


def _bearer(token: str) -> bytes:
    """RFC 6750, 2.1."""
    return b"Bearer %b" % token.encode()


def _basic(user: str, password: str) -> bytes:
    """RFC 7617."""
    return b"Basic %b" % base64.b64encode(f"{user}:{password}".encode())
