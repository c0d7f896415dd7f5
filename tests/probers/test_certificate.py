"""Reading when a certificate expires, against a library that reads all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from exporter.probers.http.certificate import not_after


def der(leaf: trustme.LeafCert) -> bytes:
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_bytes(
        Encoding.DER
    )


@pytest.mark.parametrize("cut", [0, 1, 2, 10, 60])
def test_certificate_that_ends_too_early(cut: int) -> None:
    with pytest.raises(ValueError, match="certificate"):
        not_after(der(trustme.CA().issue_cert("a.example"))[:cut])


@pytest.mark.parametrize(
    "end",
    [
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        # The last that is written with two digits of the year, and the first with four.
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_end(end: datetime) -> None:
    start = datetime(1980, 1, 1, tzinfo=UTC)
    leaf = trustme.CA().issue_cert("a.example", not_before=start, not_after=end)
    assert not_after(der(leaf)) == end.timestamp()
