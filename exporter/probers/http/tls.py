"""TLS towards targets: contexts made of settings and files, and what a failed handshake means."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.certificate import not_after, peer_chain
from exporter.probers.http.channel import Channel
from exporter.probers.http.files import Stamp, stamp_of
from exporter.probers.result import Reason
from model.targets import NetworkTarget

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

# OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED (x509_vfy.h).
_EXPIRED = 10
# What OpenSSL 1.1 and 3 say about an answer that is not TLS.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How connections are secured; targets with the same settings share a context."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False
    min_version: str = "TLS12"
    # What is spoken inside (RFC 7301); a target may refuse what it does not speak.
    protocols: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: NetworkTarget, protocols: tuple[str, ...] = ()) -> Self:
        """The settings of a target."""
        return cls(
            target.ca_file,
            target.cert_file,
            target.key_file,
            target.insecure_skip_verify,
            target.min_version,
            protocols,
        )

    def files(self) -> tuple[Path, ...]:
        """The files that a context is made of."""
        return tuple(file for file in (self.ca_file, self.cert_file, self.key_file) if file)


class Contexts:
    """TLS contexts by settings, made again when a file they are made of has changed.

    Loading the system's CAs takes some 10 ms and half a megabyte, so contexts are shared.
    """

    def __init__(self) -> None:
        self._made: dict[TlsSettings, tuple[tuple[Stamp, ...], ssl.SSLContext]] = {}

    def get(self, settings: TlsSettings) -> ssl.SSLContext:
        """The context for settings; raise ProbeFailure if a file cannot be used."""
        try:
            stamps = tuple(stamp_of(file) for file in settings.files())
            made = self._made.get(settings)
            if made is None or made[0] != stamps:
                made = self._made[settings] = (stamps, _context(settings))
        except (OSError, ValueError) as error:
            raise ProbeFailure(
                Reason.TLS, f"our own certificate files cannot be used: {_why(error)}"
            ) from None
        return made[1]


def _context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = _VERSIONS[settings.min_version]
    if settings.protocols:
        context.set_alpn_protocols(list(settings.protocols))
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        # An encrypted key would make OpenSSL ask the terminal; an empty password makes it fail.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    return context


@dataclass(frozen=True, slots=True)
class Security:
    """What one connection is secured with."""

    context: ssl.SSLContext
    server_name: str

    def channel(self) -> Channel:
        """TLS of its own, that is not connected to anything yet."""
        return Channel(self.context, self.server_name)

    def wrap(self, sock: socket.SocketType) -> ssl.SSLSocket:
        """Take over a connected socket; its handshake is the caller's to drive."""
        taken = socket.socket(fileno=sock.detach())
        # The descriptor is non-blocking already, but this object does not know.
        taken.setblocking(False)
        return self.context.wrap_socket(
            taken, server_hostname=self.server_name, do_handshake_on_connect=False
        )


@dataclass(frozen=True, slots=True)
class Secured:
    """What a handshake has shown: `version` as blackbox_exporter names it, times in unix seconds.

    `earliest_expiry` is of the chain that the target sent, 0.0 if it sent none; `chain_expiry` is
    0.0 unless the chain was verified.
    """

    version: str = ""
    earliest_expiry: float = 0.0
    chain_expiry: float = 0.0


class Inspector:
    """Reads what handshakes show, remembering the last chain: it rarely changes."""

    __slots__ = ("_chain", "_expiry")

    def __init__(self) -> None:
        self._chain: tuple[bytes, ...] = ()
        self._expiry = 0.0

    def look(self, spoken: ssl.SSLObject) -> Secured:
        """What is known of a connection, also after its handshake has failed."""
        chain = peer_chain(spoken)
        if chain != self._chain:
            self._expiry = min(map(_expiry_of, chain), default=0.0)
            self._chain = chain
        version = spoken.version()
        verified = version is not None and spoken.context.verify_mode is ssl.CERT_REQUIRED
        return Secured(
            (version or "").replace("TLSv", "TLS "),
            self._expiry,
            self._expiry if verified else 0.0,
        )


def _expiry_of(certificate: bytes) -> float:
    return not_after(certificate)


def handshake_failed(error: ssl.SSLError) -> ProbeFailure:
    """What a failed handshake is told as."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = Reason.TLS_EXPIRED if error.verify_code == _EXPIRED else Reason.TLS
        return ProbeFailure(reason, f"the certificate is not trusted: {error.verify_message}")
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ProbeFailure(Reason.RESET, "the target closed the connection in the TLS handshake")
    if error.reason in _NOT_TLS:
        return ProbeFailure(Reason.TLS, f"the target does not speak TLS: {error.reason}")
    return ProbeFailure(Reason.TLS, f"the TLS handshake failed: {_why(error)}")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "unknown error"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
