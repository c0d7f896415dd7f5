"""A TLS port with a certificate of an authority of its own, which can be let expire."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_HOST = "127.0.0.1"
_GOOD_FOR = timedelta(days=90)


@dataclass(frozen=True)
class Gateway:
    """A listening TLS port; `ca_file` is who vouches for it."""

    url: str
    ca_file: Path
    authority: trustme.CA
    context: ssl.SSLContext

    def present(self, ends: datetime) -> None:
        """Show every new connection a certificate that ends at a time, past or future."""
        start = min(datetime.now(UTC), ends) - _GOOD_FOR
        leaf = self.authority.issue_cert(_HOST, not_before=start, not_after=ends)
        leaf.configure_cert(self.context)

    def renew(self) -> None:
        """Show a certificate that is good for three months."""
        self.present(datetime.now(UTC) + _GOOD_FOR)


@asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[Gateway]:
    """Take TLS connections on a free port, and close each. OSError if no port is free."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca_file = directory / "gateway_ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    server = await asyncio.start_server(_hang_up, _HOST, 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        gateway = Gateway(f"tls://{_HOST}:{port}", ca_file, authority, context)
        gateway.renew()
        yield gateway


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
