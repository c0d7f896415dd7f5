"""Takes secrets out of a conversation: those that are known, and what looks like one.

Known are the credentials in a target's URL, what its credential files hold, and the values of
headers and cookies that are sent or set; each is hidden wherever it appears, also encoded. Besides,
whatever stands where secrets usually stand is hidden without being known.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from exporter.conversation.http_head import Head
from exporter.conversation.recorder import Recorder
from model.targets import HttpTarget, Target

HIDDEN = "***"
_SENSITIVE = (
    r"(?:auth|token|secret|passw|pwd|passphrase|passfile|credential|cookie|session|signature"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?key|[_-]key(?!\w)|jwt|bearer|dsn|^key$|^sig$)"
)
_SENSITIVE_NAME = re.compile(_SENSITIVE, re.IGNORECASE)
# What a URL's query carries is for the two who speak, whatever it is called.
_QUERY = re.compile(r"([?&][^\s=&;?\"'<>]{1,200}=)[^\s&;\"'<>#]+")
_USERINFO = re.compile(r"(://)[^\s/@\"'<>]+@")
# `"name": "value"`, `name=value`, `name: value`; a name begins where no other character of one is
# before it, so that this takes time in proportion to the text.
_FIELD = re.compile(
    r"(?<![\w.-])([\w.-]{1,128})([\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s,;&}\])\"']+)"
)
_SCHEME = re.compile(r"\b((?:bearer|basic|digest|negotiate)\s+)[\w.~+/=:-]{4,}", re.IGNORECASE)
# Names in our own log are known: `auth-service` and `session` are no secrets there.
_NAMES_A_SECRET = re.compile(
    r"(?:authorization|token|secret|passw(?:or)?d|pwd|passphrase|credentials?|cookie|signature"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|routing[_-]?key|jwt|dsn)$",
    re.IGNORECASE,
)
# A JSON Web Token (RFC 7519), Slack's tokens and webhooks, and keys in PEM (RFC 7468).
_SHAPES = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|\bxox[a-z]-[\w-]{8,}"
    r"|(?<=//hooks\.slack\.com/)[\w/-]+"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,40}-----)?"
)
# One of these is in each of them.
_MARKS = ("eyJ", "xox", "//hooks.slack.com/", "-----BEGIN ")
_HEADER_OF_COOKIES = ("cookie", "set-cookie")
# A query's value shorter than this is hidden where it stands in a query, and nowhere else: `a=1`.
_LEAST_QUERY_VALUE = 4
# Files of a target that are shown to everybody it speaks to.
_PUBLIC_FILES = ("ca_file", "cert_file")


class Redactor:
    """Hides secrets in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def known(self, text: str) -> str:
        """The text without the secrets that are known."""
        return text if self._known is None else self._known.sub(HIDDEN, text)

    def said(self, text: str) -> str:
        """What one side has said, without secrets known and unknown."""
        text = _USERINFO.sub(rf"\1{HIDDEN}@", self.known(text))
        text = _SCHEME.sub(rf"\1{HIDDEN}", text)
        return _FIELD.sub(_hide_field, _QUERY.sub(rf"\1{HIDDEN}", text))

    def logged(self, text: str) -> str:
        """A text of our own log without secrets, known and unknown."""
        text = self.known(text)
        # Every line of the log passes here: most words have nothing to look for.
        if any(mark in text for mark in _MARKS):
            text = _SHAPES.sub(HIDDEN, text)
        if "://" in text:
            text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
        if " " in text:
            text = _SCHEME.sub(rf"\1{HIDDEN}", text)
        if "=" in text or ":" in text:
            text = _FIELD.sub(_hide_logged_field, _QUERY.sub(rf"\1{HIDDEN}", text))
        return text

    def beginning(self, text: str, length: int) -> str:
        """So much of what one side has said, without secrets; a part of one at the end included."""
        if len(text) <= length:
            return self.said(text)
        cut = text[:length]
        halves = [
            size
            for form in self._forms
            for size in range(min(len(form) - 1, length), 0, -1)
            if cut.endswith(form[:size])
        ]
        return self.said(cut[: length - max(halves, default=0)])

    def header(self, line: str) -> str:
        """A header's line."""
        name, colon, _ = line.partition(":")
        if colon and _SENSITIVE_NAME.search(name):
            return f"{self.known(name)}: {HIDDEN}"
        return self.said(line)


def _hide_field(field: re.Match[str]) -> str:
    name, between, value = field.groups()
    return f"{name}{between}{HIDDEN if _SENSITIVE_NAME.search(name) else value}"


def _hide_logged_field(field: re.Match[str]) -> str:
    name, between, value = field.groups()
    return f"{name}{between}{HIDDEN if names_a_secret(name) else value}"


@lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a field of our own log that is called so holds a secret."""
    return _NAMES_A_SECRET.search(name) is not None


def secrets_of(target: Target, url: str, recorder: Recorder) -> Iterator[str]:
    """The secrets that a target's settings, its URL and what was said over connections hold."""
    yield from secrets_of_settings(target, url)
    for connection in recorder.connections:
        for message in (connection.request, bytes(connection.received)):
            head = Head.of(message)
            if head is not None:
                yield from _of_head(head)


def secrets_of_settings(target: Target, url: str) -> Iterator[str]:
    """The secrets that a target's settings and its URL hold."""
    yield from _of_url(url)
    yield from _of_settings(target)


def _of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        yield parts.password
        yield unquote(parts.password)
        yield f"{unquote(parts.username or '')}:{unquote(parts.password)}"
    elif parts.username and parts.scheme in ("http", "https"):
        # A token may stand in a user's place.
        yield unquote(parts.username)
    postgres = parts.scheme.startswith("postgres")
    for name, value in parse_qsl(parts.query):
        sensitive = _SENSITIVE_NAME.search(name) or not postgres
        if sensitive and (len(value) >= _LEAST_QUERY_VALUE or _SENSITIVE_NAME.search(name)):
            yield value


def _of_settings(target: Target) -> Iterator[str]:
    for name in type(target).model_fields:
        file = getattr(target, name)
        if name.endswith("_file") and name not in _PUBLIC_FILES and isinstance(file, Path):
            yield from _of_file(file)
    if isinstance(target, HttpTarget):
        for name, value in target.headers.items():
            if _SENSITIVE_NAME.search(name):
                yield value
        yield from _of_url(f"{target.url.partition('?')[0]}{target.path}")
        if target.basic_auth_password_file is not None:
            for password in _of_file(target.basic_auth_password_file):
                yield f"{target.basic_auth_username}:{password}"


def _of_file(file: Path) -> Iterator[str]:
    try:
        yield file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return  # what cannot be read was not sent


def _of_head(head: Head) -> Iterator[str]:
    for name, value in head.headers():
        if not _SENSITIVE_NAME.search(name):
            continue
        yield value
        if name.lower() in _HEADER_OF_COOKIES:
            pairs = value.split(";")[: None if name.lower() == "cookie" else 1]
            yield from (pair.partition("=")[2].strip() for pair in pairs)
        else:
            yield value.rpartition(" ")[2]


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be written: as it is, and in the encodings that are usual on the way."""
    plain = {secret, unquote(secret), unquote_plus(secret)} - {""}
    for text in plain:
        yield text
        for escaped in (quote(text), quote(text, safe=""), quote_plus(text)):
            yield escaped
            yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(text)[1:-1].replace("/", "\\/")
        yield repr(text)[1:-1]
        yield repr(text.encode())[2:-1]
        yield html.escape(text)
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            yield encoded(text.encode()).decode()
            yield encoded(text.encode()).decode().rstrip("=")
