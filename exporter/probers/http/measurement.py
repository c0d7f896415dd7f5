"""What one probe saw, and the samples made of it."""

from __future__ import annotations

from socket import AF_INET6

from exporter.probers.http.clock import now
from exporter.probers.http.connection import Connection
from exporter.probers.http.response import Response
from exporter.probers.http.tls import Secured
from exporter.probers.result import Sample
from model import names


class Measurement:
    """The figures of one probe as they come together, in seconds and bytes.

    Phases are summed over redirects and over addresses that were tried; all else is the last one's.
    """

    __slots__ = (
        "body_length",
        "connect",
        "content_length",
        "ended_at",
        "failed_due_to_regex",
        "ip_protocol",
        "processing",
        "redirects",
        "resolve",
        "secured",
        "status",
        "tls",
        "transfer",
        "version",
    )

    def __init__(self) -> None:
        self.resolve = 0.0
        self.connect = 0.0
        self.tls = 0.0
        self.processing = 0.0
        self.transfer = 0.0
        self.ended_at = 0.0
        self.status = 0
        self.redirects = 0
        self.version = ""
        self.ip_protocol = 0
        self.content_length = -1
        self.body_length = 0
        self.failed_due_to_regex = False
        self.secured: Secured | None = None

    def add(self, connection: Connection, answer: Response) -> None:
        """Take what a connection and its answer show, however far they came."""
        self.status = answer.status
        self.version = answer.version
        self.content_length = answer.length
        self.body_length = answer.body_length
        self.connected(connection)

    def connected(self, connection: Connection) -> None:
        """Take what a connection shows, however far it came."""
        self.secured = connection.secured
        self.ip_protocol = 6 if connection.family is AF_INET6 else 4
        self.ended_at = ended = connection.ended_at or now()
        started, connected = connection.started_at, connection.connected_at
        if started:
            self.connect += (connected or ended) - started
        if not connected:
            return
        sent, first_byte = connection.sent_at, connection.first_byte_at
        if connection.shook_hands:
            self.tls += (connection.secured_at or ended) - connected
        if sent:
            self.processing += (first_byte or ended) - sent
        if first_byte:
            self.transfer += ended - first_byte


class Samples:
    """Makes samples of measurements, using again those that did not change since the last.

    Of the fourteen of a probe over plain HTTP eleven are usually as before, and those that are the
    same objects need not be rendered anew.
    """

    __slots__ = ("_facts", "_steady")

    def __init__(self) -> None:
        self._facts: tuple[object, ...] = ()
        self._steady: tuple[Sample, ...] = ()

    def of(self, seen: Measurement) -> tuple[Sample, ...]:
        """The samples of one probe."""
        facts = (
            seen.status,
            seen.redirects,
            seen.version,
            seen.ip_protocol,
            seen.content_length,
            seen.body_length,
            seen.failed_due_to_regex,
            seen.secured,
        )
        if facts != self._facts:
            self._facts = facts
            self._steady = _steady(seen)
        resolve, tls = seen.resolve, seen.tls
        return (
            *self._steady,
            Sample(names.PROBE_DNS_LOOKUP_TIME, (), resolve) if resolve else _NO_LOOKUP,
            Sample(names.PROBE_HTTP_DURATION, _RESOLVE, resolve) if resolve else _NO_RESOLVE,
            Sample(names.PROBE_HTTP_DURATION, _CONNECT, seen.connect),
            Sample(names.PROBE_HTTP_DURATION, _TLS, tls) if tls else _NO_TLS,
            Sample(names.PROBE_HTTP_DURATION, _PROCESSING, seen.processing),
            Sample(names.PROBE_HTTP_DURATION, _TRANSFER, seen.transfer),
        )


_RESOLVE, _CONNECT, _TLS = ("resolve",), ("connect",), ("tls",)
_PROCESSING, _TRANSFER = ("processing",), ("transfer",)
_NO_LOOKUP = Sample(names.PROBE_DNS_LOOKUP_TIME)
_NO_RESOLVE = Sample(names.PROBE_HTTP_DURATION, _RESOLVE)
_NO_TLS = Sample(names.PROBE_HTTP_DURATION, _TLS)


def _steady(seen: Measurement) -> tuple[Sample, ...]:
    samples = [
        Sample(names.PROBE_IP_PROTOCOL, (), float(seen.ip_protocol)),
        Sample(names.PROBE_FAILED_DUE_TO_REGEX, (), float(seen.failed_due_to_regex)),
        Sample(names.PROBE_HTTP_STATUS_CODE, (), float(seen.status)),
        Sample(names.PROBE_HTTP_REDIRECTS, (), float(seen.redirects)),
        Sample(names.PROBE_HTTP_SSL, (), float(seen.secured is not None)),
        Sample(names.PROBE_HTTP_VERSION, (), float(seen.version or 0)),
        Sample(names.PROBE_HTTP_CONTENT_LENGTH, (), float(seen.content_length)),
        Sample(names.PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH, (), float(seen.body_length)),
    ]
    return (*samples, *tls_samples(seen.secured))


def tls_samples(secured: Secured | None) -> list[Sample]:
    """What is known of TLS. A zero would fire an alert about expiry, so the rest has no series."""
    samples = []
    if secured is not None and secured.earliest_expiry:
        samples += [
            Sample(names.PROBE_SSL_EARLIEST_CERT_EXPIRY, (), secured.earliest_expiry),
            Sample(names.PROBE_SSL_LAST_CHAIN_EXPIRY, (), secured.chain_expiry),
        ]
    if secured is not None and secured.version:
        samples.append(Sample(names.PROBE_TLS_VERSION_INFO, (secured.version,), 1.0))
    return samples
