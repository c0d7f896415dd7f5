"""The fingerprint by which Alertmanager knows an alert: FNV-1a of all of its labels."""

from __future__ import annotations

from collections.abc import Mapping

_OFFSET = 14695981039346656037
_PRIME = 1099511628211
_MASK = 2**64 - 1
_SEPARATOR = b"\xff"


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hexadecimal digits, as `prometheus/common` calculates them."""
    text = b"".join(
        part.encode("utf-8", "replace") + _SEPARATOR
        for name in sorted(labels, key=lambda name: name.encode("utf-8", "replace"))
        for part in (name, labels[name])
    )
    number = _OFFSET
    for byte in text:
        number = ((number ^ byte) * _PRIME) & _MASK
    return f"{number:016x}"
