"""What stands in the certificates that a target has sent, in the words of Go's crypto/x509.

blackbox_exporter's labels are made of these, so names are written as there (RFC 2253).
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.probers.http.certificate import peer_chain

_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "postalCode": "POSTALCODE",
    "serialNumber": "SERIALNUMBER",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
}
# Go writes a name's parts in this order, whatever order they were sent in.
_ORDER = ("SERIALNUMBER", "CN", "POSTALCODE", "STREET", "ST", "L", "OU", "O", "C")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate; times are as OpenSSL prints them, all is chosen by the target and bounded."""

    subject: str
    issuer: str
    serial_number: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    fingerprint_sha256: str

    @property
    def dns_names(self) -> str:
        """The host names that it is for, as one label."""
        return ",".join(name[4:] for name in self.names if name.startswith("DNS:"))[:_LONGEST]


def certificates(spoken: ssl.SSLObject) -> tuple[Certificate, ...]:
    """The chain that a target has sent, leaf first; empty before it has."""
    inner = spoken._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - as in peer_chain
    parsed = (inner.get_unverified_chain() or ()) if inner is not None else ()
    return tuple(
        _told(one.get_info(), der) for one, der in zip(parsed, peer_chain(spoken), strict=False)
    )


def _told(info: dict[str, Any], der: bytes) -> Certificate:
    return Certificate(
        _name(info.get("subject", ())),
        _name(info.get("issuer", ())),
        _serial(info.get("serialNumber", "0")),
        tuple(f"{kind}:{value}"[:_LONGEST] for kind, value in info.get("subjectAltName", ()))[:50],
        str(info.get("notBefore", "")),
        str(info.get("notAfter", "")),
        hashlib.sha256(der).hexdigest(),
    )


def _serial(text: str) -> str:
    """A serial number in whole bytes, as Go prints one."""
    digits = f"{int(text, 16):x}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _name(parts: Sequence[Sequence[tuple[str, str]]]) -> str:
    values: dict[str, list[str]] = {}
    for part in parts:
        for name, value in part:
            values.setdefault(_SHORT.get(name, name), []).append(_escaped(value))
    known = [name for name in _ORDER if name in values]
    others = [name for name in values if name not in _ORDER]
    return ",".join(
        "+".join(f"{name}={value}" for value in values[name]) for name in (*others, *known)
    )[:_LONGEST]


def _escaped(value: str) -> str:
    """RFC 2253, 2.4."""
    text = "".join(f"\\{char}" if char in ',+"\\<>;' else char for char in value)
    if text[:1] in ("#", " "):
        text = "\\" + text
    if len(text) > 1 and text.endswith(" "):
        text = text[:-1] + "\\ "
    return text
