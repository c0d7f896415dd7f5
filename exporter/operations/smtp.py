"""A conversation with the mail server that SMTP_* name, up to the point where mail could be sent.

smtplib waits, so that callers run it in a thread.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.operations.channels import Channels

_SECONDS = 10.0


class UnreachableError(Exception):
    """There is no mail server at this address."""


class RefusedError(Exception):
    """The mail server answers, and does not want us; says what it said."""


@contextmanager
def logged_in(channels: Channels) -> Iterator[smtplib.SMTP]:
    """A server that would take mail. Raises UnreachableError or RefusedError."""
    server = _connected(channels)
    try:
        _log_in(server, channels)
        yield server
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise RefusedError(_words(error)) from None
    finally:
        server.close()


def _connected(channels: Channels) -> smtplib.SMTP:
    place = (channels.smtp_host or "", channels.smtp_port)
    try:
        if channels.smtp_secure:
            return smtplib.SMTP_SSL(*place, timeout=_SECONDS, context=ssl.create_default_context())
        return smtplib.SMTP(*place, timeout=_SECONDS)
    except (smtplib.SMTPResponseException, ssl.SSLError) as error:
        raise RefusedError(_words(error)) from None
    except (smtplib.SMTPException, OSError) as error:
        raise UnreachableError(_words(error)) from None


def _log_in(server: smtplib.SMTP, channels: Channels) -> None:
    server.ehlo()
    if not channels.smtp_secure and server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
        server.ehlo()
    if channels.smtp_user is not None and channels.smtp_pass is not None:
        server.login(channels.smtp_user, channels.smtp_pass.get_secret_value())


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"{error.smtp_code} {text}"[:200]
    return (str(error) or type(error).__name__)[:200]
