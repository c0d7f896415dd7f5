"""TLS towards a target: contexts, and what is told when a handshake fails."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from exporter.probers.failure import ProbeFailure
from exporter.probers.result import Reason

# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED.
_EXPIRED = 10


class Security:
    """The context and server name that a target's connections are secured with."""

    __slots__ = ("_context", "_server_name")

    def __init__(self, server_name: str, ca_file: Path | None) -> None:
        self._context = ssl.create_default_context(cafile=ca_file)
        self._server_name = server_name

    def wrap(self, sock: socket.SocketType) -> ssl.SSLSocket:
        """Take over a connected socket; its handshake is the caller's to drive."""
        taken = socket.socket(fileno=sock.detach())
        # The descriptor is non-blocking already, but this object does not know.
        taken.setblocking(False)
        return self._context.wrap_socket(
            taken,
            server_hostname=self._server_name,
            do_handshake_on_connect=False,
        )


def handshake_failed(error: ssl.SSLError) -> ProbeFailure:
    """What a failed handshake is told as."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = Reason.TLS_EXPIRED if error.verify_code == _EXPIRED else Reason.TLS
        return ProbeFailure(reason, f"certificate not trusted: {error.verify_message}")
    return ProbeFailure(Reason.TLS, f"TLS handshake failed: {error.reason or 'unknown error'}")
