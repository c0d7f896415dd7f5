"""When certificates expire: of the chain as the target sent it, whether it is trusted or not."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Protocol, cast

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_DER = 2  # _ssl.ENCODING_DER


class _Certificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


class _Inner(Protocol):
    def get_unverified_chain(self) -> list[_Certificate] | None: ...


def peer_chain(spoken: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the target sent, in DER, leaf first; empty before it sent them.

    Also after a handshake that failed because the chain is not trusted, so that no second,
    unverified one is needed to know when an expired certificate expired. SSLObject has
    get_unverified_chain() since Python 3.13; 3.10 to 3.12 have it on a private attribute only,
    and public means there give no more than the leaf, and that only of a trusted chain.
    """
    public = getattr(spoken, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    inner = cast("_Inner | None", spoken._sslobj)  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    chain = inner.get_unverified_chain() if inner is not None else None
    return tuple(certificate.public_bytes(_DER) for certificate in chain or ())


def not_after(certificate: bytes) -> float:
    """When an X.509 certificate in DER expires, in unix seconds (RFC 5280, 4.1).

    Raises ValueError on what is none. OpenSSL has parsed what a handshake brings, so this needs
    to find one field in a structure that is known to be sound.
    """
    _, start, _ = _element(certificate, 0)  # Certificate
    _, start, _ = _element(certificate, start)  # TBSCertificate
    tag, _, end = _element(certificate, start)
    # The version is left out where it is 1; then comes serial number, algorithm and issuer.
    position = end if tag == _VERSION else start
    for _ in range(3):
        _, _, position = _element(certificate, position)
    tag, start, _ = _element(certificate, position)  # Validity
    if tag != _SEQUENCE:
        raise ValueError("a certificate without a validity")
    _, _, position = _element(certificate, start)  # notBefore
    tag, start, end = _element(certificate, position)
    return _time(tag, certificate[start:end])


def _element(data: bytes, position: int) -> tuple[int, int, int]:
    """The tag at a position, and where its contents start and end (X.690, 8.1)."""
    try:
        tag, length = data[position], data[position + 1]
    except IndexError:
        raise ValueError("a certificate that ends too early") from None
    start = position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("a certificate that ends too early")
    return tag, start, start + length


def _time(tag: int, text: bytes) -> float:
    digits = text.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        # Two digits of the year: 50 and up is the last century (RFC 5280, 4.1.2.5.1).
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a certificate whose end of validity is not a time")
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
