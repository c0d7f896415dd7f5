"""Certificates in the words of Go's crypto/x509, which blackbox_exporter's labels are made of."""

from __future__ import annotations

import pytest

from exporter.conversation.certificate import _name, _serial


@pytest.mark.parametrize(
    ("told", "written"), [("0A", "0a"), ("A1B", "0a1b"), ("4CAA", "4caa"), ("00FF01", "ff01")]
)
def test_a_serial_number_has_whole_bytes(told: str, written: str) -> None:
    assert _serial(told) == written


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ((), ""),
        (((("organizationName", "o"),), (("commonName", "c"),)), "CN=c,O=o"),
        (
            ((("organizationalUnitName", "b"),), (("organizationalUnitName", "a"),)),
            "OU=b+OU=a",
        ),
        (((("commonName", 'a,b+c"d\\<e>;'),),), 'CN=a\\,b\\+c\\"d\\\\\\<e\\>\\;'),
        (((("commonName", "#x "),),), "CN=\\#x\\ "),
    ],
)
def test_a_name_is_written_as_in_rfc_2253(
    parts: tuple[tuple[tuple[str, str], ...], ...], written: str
) -> None:
    assert _name(parts) == written
