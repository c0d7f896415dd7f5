"""A failed probe, in words for people and a reason for machines."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import unquote, urlsplit

from exporter.probers.result import Reason

_LONGEST_DETAIL = 200
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\u024f]+")


class ProbeFailure(Exception):  # noqa: N818 - it is a result, in the words of the domain
    """Why a target is down. Raised inside a prober, turned into its result, never seen outside."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = clean(detail)


def clean(text: str) -> str:
    """Text that a target may have chosen, made safe to print: one line, at most 200 characters."""
    return _NOT_PRINTABLE.sub(" ", text).strip()[:_LONGEST_DETAIL]


def without_password(text: str, url: str) -> str:
    """A target's words without its password: servers and proxies may repeat what they were sent."""
    password = urlsplit(url).password
    if not password:
        return text
    for form in {password, unquote(password)}:
        text = text.replace(form, "***")
    return text


def from_os_error(error: OSError) -> ProbeFailure:
    """What an error of the operating system means for a probe."""
    if isinstance(error, socket.gaierror):
        return ProbeFailure(Reason.DNS, f"the name cannot be resolved: {error.strerror}")
    if isinstance(error, ConnectionRefusedError):
        return ProbeFailure(Reason.CONNECT_REFUSED, "the connection was refused")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProbeFailure(Reason.TLS, f"the certificate was refused: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return ProbeFailure(Reason.TLS, f"TLS failed: {error.reason}")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return ProbeFailure(Reason.RESET, "the connection was reset")
    if isinstance(error, TimeoutError):
        return ProbeFailure(Reason.CONNECT_TIMEOUT, "the connection timed out")
    return ProbeFailure(Reason.CONNECT, error.strerror or type(error).__name__)
