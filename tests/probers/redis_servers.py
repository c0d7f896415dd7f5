"""Redis servers for tests, and what is said to them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import hiredis
import trustme
from databases import PASSWORD, SLACK, TIMEOUT, Handler

from exporter.probers.redis import RedisProber, SentinelProber
from exporter.probers.result import ProbeResult, Sample
from model.names import Metric
from model.redis import Redis as Target
from model.redis import Sentinel as SentinelTarget
from programs import Redis, free_port


def url_of(server: Redis, password: str = PASSWORD, user: str = "", database: str = "0") -> str:
    secret = f"{user}:{password}@" if password else ""
    return f"redis://{secret}{server.host}:{server.port}/{database}"


async def probe(url: str, timeout: float = TIMEOUT, **settings: Any) -> ProbeResult:
    """One probe; it fails the test if it takes longer than it may, or prints the password."""
    return await probed(RedisProber(Target(**settings), url), timeout)


async def probe_sentinel(url: str, timeout: float = TIMEOUT, **settings: Any) -> ProbeResult:
    target = SentinelTarget(name="sentinel", url="redis://sentinel", **settings)
    return await probed(SentinelProber(target, url), timeout)


async def probed(prober: RedisProber | SentinelProber, timeout: float) -> ProbeResult:
    started = time.monotonic()
    result = await prober.probe(timeout)
    assert time.monotonic() - started < timeout + SLACK
    await prober.close()
    assert PASSWORD not in result.detail
    assert PASSWORD not in str(result.samples)
    return result


def labelled(result: ProbeResult, metric: Metric) -> dict[tuple[str, ...], float]:
    """The values of a metric by their labels; no labels come twice."""
    found: list[Sample] = [sample for sample in result.samples if sample.metric is metric]
    values = {sample.labels: sample.value for sample in found}
    assert len(values) == len(found)
    return values


def saying(*replies: bytes) -> Handler:
    """A server that gives these answers to all that it is sent at once, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(65536):
            writer.write(b"".join(replies))
        writer.close()

    return speak


async def command(server: Redis, *lines: str, password: str = PASSWORD) -> None:
    """Run commands on one connection of the default user; each has to succeed."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    parser = hiredis.Reader()
    try:
        for line in (*([f"AUTH {password}"] if password else []), *lines):
            writer.write(f"{line}\r\n".encode())
            async with asyncio.timeout(TIMEOUT):
                while (reply := parser.gets()) is False:
                    parser.feed(await reader.read(65536))
            assert not isinstance(reply, Exception), f"{line}: {reply}"
    finally:
        writer.close()
    await writer.wait_closed()


class Secured:
    """Files and arguments of a Redis that speaks TLS on `port`, and of its clients."""

    def __init__(self, directory: Path, *, wants_certificate: bool) -> None:
        self.port = free_port()
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self.cert_file, self.key_file = self._issue(authority, directory, "server")
        self.client_cert, self.client_key = self._issue(authority, directory, "client")
        self.strange_cert, self.strange_key = self._issue(trustme.CA(), directory, "strange")
        self.args = (
            f"--tls-port {self.port} --tls-cert-file {self.cert_file} --tls-key-file "
            f"{self.key_file} --tls-ca-cert-file {self.ca_file} --tls-auth-clients "
            f"{'yes' if wants_certificate else 'no'}"
        ).split()

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0"

    def _issue(self, authority: trustme.CA, directory: Path, name: str) -> tuple[Path, Path]:
        leaf = authority.issue_cert("127.0.0.1")
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        leaf.cert_chain_pems[0].write_to_path(certificate)
        leaf.private_key_pem.write_to_path(key)
        return certificate, key
