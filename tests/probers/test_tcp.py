"""Probing plain TCP services on real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import NOW, Authorities
from pydantic import ValidationError
from scripted_server import Client, Script, serving, serving_tls, value

from exporter.probers.http import Network
from exporter.probers.result import Health, ProbeResult, Reason
from exporter.probers.tcp import TcpProber
from model import names
from model.targets import TcpService

# For what is silent: two such deadlines one after the other would be seen.
TIMEOUT = 1.0
SLACK = 0.9
# For what answers, however busy the machine is.
AMPLE = 30.0


async def probe(url: str, timeout: float = AMPLE, **settings: Any) -> ProbeResult:
    network = Network()
    prober = TcpProber(TcpService(name="target", url=url, **settings), url, network)
    started = time.perf_counter()
    try:
        result = await prober.probe(timeout)
        assert time.perf_counter() - started < timeout + SLACK
        assert len(network.poller()) == 0
    finally:
        await prober.close()
        network.close()
    assert (result.reason is None) == result.success
    return result


def saying(*pieces: bytes, stay: bool = True) -> Script:
    """Greet whoever connects."""

    async def script(client: Client) -> None:
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0.01)
        if stay:
            await client.closed()

    return script


async def endless(client: Client) -> None:
    while True:
        await client.send(b"more" * 1000)


async def resetting(client: Client) -> None:
    client.reset()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "tcp://host"}, "no port"),
        ({"url": "http://host:80"}, "must start with tcp"),
        ({"url": "tcp://host:80", "expect": "("}, "not a regular expression"),
        ({"url": "tcp://host:80", "answer_size_limit": 0}, "at least 1 byte"),
        ({"url": "tcp://host:80", "key_file": "f"}, "give both"),
    ],
)
def test_mistakes(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TcpService(name="target", **settings)


@pytest.mark.parametrize(
    ("script", "settings", "reason", "regex"),
    [
        (saying(), {"expect": "^220"}, Reason.TIMEOUT, 0),
        (saying(b"550 go away\r\n"), {"expect": "^220"}, Reason.TIMEOUT, 0),
        (saying(stay=False), {"expect": "^220"}, Reason.RESET, 0),
        (saying(b"550 away\r\n", stay=False), {"expect": "^220"}, Reason.BODY, 1),
        (resetting, {"expect": "^220"}, Reason.RESET, 0),
        (endless, {"expect": "^220"}, Reason.TOO_LARGE, 1),
        (saying(b"1234"), {"expect": "4", "answer_size_limit": 3}, Reason.TOO_LARGE, 1),
        (saying(b"1234"), {"expect": "4", "answer_size_limit": 4}, None, 0),
        (saying(b"220 mail\r\n"), {"expect": "^220 "}, None, 0),
        (saying(b"22", b"0 m", b"ail\r\n"), {"expect": "^220 mail"}, None, 0),
        (saying(b"\xff\xfe 220"), {"expect": "220"}, None, 0),
        (saying(), {}, None, 0),
        (saying(stay=False), {}, None, 0),
    ],
)
async def test_conversation(
    script: Script, settings: dict[str, Any], reason: Reason | None, regex: float
) -> None:
    async with serving(script) as served:
        timeout = TIMEOUT if reason is Reason.TIMEOUT else AMPLE
        result = await probe(served.url.replace("http:", "tcp:"), timeout, **settings)
    assert result.reason is reason, result.detail
    assert value(result, names.PROBE_FAILED_DUE_TO_REGEX) == regex
    assert value(result, names.PROBE_IP_PROTOCOL) == 4


async def test_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = await probe(f"tcp://127.0.0.1:{port}")
    assert (result.health, result.reason) == (Health.UNHEALTHY, Reason.CONNECT_REFUSED)


async def test_name_that_does_not_exist() -> None:
    assert (await probe("tcp://nothing.invalid:25")).reason is Reason.DNS


async def test_question_and_answer() -> None:
    async def script(client: Client) -> None:
        await client.send(b"+PONG" if await client.body(6) == b"PING\r\n" else b"-ERR")
        await client.closed()

    async with serving(script) as served:
        url = served.url.replace("http:", "tcp:")
        right = await probe(url, send="PING\r\n", expect=r"^\+PONG")
        wrong = await probe(url, TIMEOUT, send="PONG\r\n", expect=r"^\+PONG")
    assert right.success, right.detail
    assert wrong.reason is Reason.TIMEOUT


async def test_by_name() -> None:
    async with serving(saying()) as served:
        result = await probe(f"tcp://localhost:{served.port}")
    assert result.success, result.detail
    lookup = value(result, names.PROBE_DNS_LOOKUP_TIME)
    assert lookup is not None
    assert lookup > 0


async def test_tls(tmp_path: Path) -> None:
    authorities = Authorities(tmp_path)
    end = NOW + timedelta(days=365)
    with serving_tls(authorities.expiring(end), b"hello") as served:
        url = served.url.replace("https:", "tls:")
        untrusted = await probe(url, send="hi", expect="hello")
        trusted = await probe(url, send="hi", expect="hello", ca_file=authorities.file)
        connected = await probe(url, ca_file=authorities.file)
    assert untrusted.reason is Reason.TLS
    assert trusted.success, trusted.detail
    assert connected.success, connected.detail
    for result in (untrusted, trusted, connected):
        assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) == end.timestamp()
