"""Certificate authorities and servers' TLS contexts for tests."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

# When the tests were collected, which may be an hour or more before one of them runs.
NOW = datetime.now(UTC).replace(microsecond=0)


class Authorities:
    """One authority that probers trust, its intermediate, and one that they do not know."""

    def __init__(self, directory: Path) -> None:
        self.known = trustme.CA()
        self.intermediate = self.known.create_child_ca()
        self.unknown = trustme.CA()
        self.file = directory / "ca.pem"
        self.known.cert_pem.write_to_path(self.file)

    def good(self) -> ssl.SSLContext:
        """A server that nothing is wrong with."""
        return presenting(self.known.issue_cert("127.0.0.1"))

    def expiring(self, end: datetime) -> ssl.SSLContext:
        """A certificate that ends at a time."""
        return presenting(self._valid(NOW - timedelta(days=900), end))

    def ending_within_the_hour(self) -> ssl.SSLContext:
        """A certificate that is still valid, whenever it is asked for."""
        return self.expiring(datetime.now(UTC) + timedelta(minutes=59))

    def not_yet_valid(self) -> ssl.SSLContext:
        """A certificate that is for tomorrow."""
        return presenting(self._valid(NOW + timedelta(days=1), NOW + timedelta(days=30)))

    def for_another_host(self) -> ssl.SSLContext:
        """A certificate of the known authority, for another host."""
        return presenting(self.known.issue_cert("other.example"))

    def of_unknown_authority(self) -> ssl.SSLContext:
        """A certificate that nobody known has signed."""
        return presenting(self.unknown.issue_cert("127.0.0.1"))

    def self_signed(self) -> ssl.SSLContext:
        """A certificate that has signed itself."""
        return loading(self.unknown.cert_pem, self.unknown.private_key_pem)

    def with_intermediate(self) -> ssl.SSLContext:
        """A whole chain: leaf and intermediate."""
        return presenting(self.intermediate.issue_cert("127.0.0.1"))

    def with_another_that_expires(self, end: datetime) -> ssl.SSLContext:
        """A good certificate, and behind it one that ends at a time."""
        leaf = self.known.issue_cert("127.0.0.1")
        other = self._valid(NOW - timedelta(days=900), end)
        both = trustme.Blob(leaf.cert_chain_pems[0].bytes() + other.cert_chain_pems[0].bytes())
        return loading(both, leaf.private_key_pem)

    def without_intermediate(self) -> ssl.SSLContext:
        """A chain whose middle the server forgets to send."""
        leaf = self.intermediate.issue_cert("127.0.0.1")
        return loading(leaf.cert_chain_pems[0], leaf.private_key_pem)

    def only_version(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        """A server that speaks one version of TLS."""
        context = self.good()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of old versions, which is the point
            context.minimum_version = context.maximum_version = version
        if version < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        return context

    def wanting_client_certificate(self) -> ssl.SSLContext:
        """A server that lets nobody in without a certificate of the known authority."""
        context = self.good()
        self.known.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _valid(self, start: datetime, end: datetime) -> trustme.LeafCert:
        return self.known.issue_cert("127.0.0.1", not_before=start, not_after=end)


def presenting(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """A server's context with a certificate and its chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def loading(certificate: trustme.Blob, key: trustme.Blob) -> ssl.SSLContext:
    """A server's context with one certificate and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "pair.pem"
        certificate.write_to_path(file)
        key.write_to_path(file, append=True)
        context.load_cert_chain(file)
    return context
