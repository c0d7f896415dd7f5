"""What blackbox_exporter tells besides, of one recorded probe.

These families are told on demand only: in the background they would cost a line a target and a
scrape, and nobody alerts on them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

from exporter.conversation.connection import RecordedConnection
from exporter.conversation.http_head import Head
from exporter.conversation.recorder import Recorder
from exporter.probers.result import Sample
from model import names
from model.targets import HttpTarget, Target, TcpService

# FNV-1a, 32 bits (RFC 9923).
_FNV_BASIS, _FNV_PRIME, _FNV_MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def samples(target: Target, recorder: Recorder, timeout: float) -> Iterator[Sample]:
    """The samples of families that blackbox_exporter has for such a target, and /metrics has not.

    `timeout` is in seconds.
    """
    if not isinstance(target, (HttpTarget, TcpService)):
        return
    yield Sample(names.PROBE_TIMEOUT, (), timeout)
    last = recorder.connections[-1] if recorder.connections else None
    yield Sample(names.PROBE_IP_ADDR_HASH, (), float(_address_hash(last)))
    if isinstance(target, TcpService):
        # What is expected is a regular expression, so bytes are never what failed.
        yield Sample(names.PROBE_FAILED_DUE_TO_BYTES, (), 0.0)
    elif last is not None:
        yield from _last_modified(last)
    if last is not None:
        yield from _of_tls(last)


def _address_hash(connection: RecordedConnection | None) -> int:
    if connection is None or connection.address is None:
        return 0
    host = str(connection.address[1][0]).partition("%")[0]
    found = _FNV_BASIS
    for byte in ipaddress.ip_address(host).packed:
        found = (found ^ byte) * _FNV_PRIME & _FNV_MASK
    return found


def _last_modified(connection: RecordedConnection) -> Iterator[Sample]:
    head = Head.of(bytes(connection.received))
    text = None if head is None else head.value("last-modified")
    if text is None:
        return
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return  # what is no time has no series, as at blackbox_exporter
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    yield Sample(names.PROBE_HTTP_LAST_MODIFIED, (), at.timestamp())


def _of_tls(connection: RecordedConnection) -> Iterator[Sample]:
    tls = connection.tls
    if tls is None:
        return
    if tls.cipher is not None:
        yield Sample(names.PROBE_TLS_CIPHER_INFO, (tls.cipher,), 1.0)
    if tls.chain:
        leaf = tls.chain[0]
        labels = (
            leaf.fingerprint_sha256,
            leaf.subject,
            leaf.issuer,
            leaf.dns_names,
            leaf.serial_number,
        )
        yield Sample(names.PROBE_SSL_LAST_CHAIN_INFO, labels, 1.0)
