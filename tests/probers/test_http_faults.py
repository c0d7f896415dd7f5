"""What targets do to a prober, and what it makes of it: on real sockets, within the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop
from certificates import NOW, Authorities
from scripted_server import HEALTHY, Client, Script, Served, serving, serving_tls, value

from exporter.probers.http import HttpProber, Network
from exporter.probers.http.resolve import Addresses, Resolver
from exporter.probers.result import Health, ProbeResult, Reason
from model import names
from model.targets import Service

# For what is silent: two such deadlines one after the other would be seen.
TIMEOUT = 1.0
SLACK = 0.9
# For what answers, however busy the machine is.
AMPLE = 30.0
SILENT = {Reason.TIMEOUT, Reason.CONNECT_TIMEOUT}
LIMIT = 100_000
ONE_READ = 65536
# What the kernel may buffer on both sides of a connection, however little the prober reads.
BUFFERS = 16_000_000

UP, DEGRADED, DOWN = Health.HEALTHY, Health.DEGRADED, Health.UNHEALTHY


Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Every fault under both loops."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("certificates"))


@contextlib.asynccontextmanager
async def clean_network() -> AsyncIterator[Network]:
    """A network that has to be left as it was found: nothing watched, nothing open."""
    network = Network()
    network.poller()
    before = _open_sockets()
    try:
        yield network
        assert len(network.poller()) == 0
        assert _open_sockets() <= before
    finally:
        network.close()


def _open_sockets() -> int:
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            count += str(entry.readlink()).startswith("socket:")
    return count


async def probed(
    url: str, network: Network | None = None, timeout: float = AMPLE, **settings: Any
) -> ProbeResult:
    """Probe once, and hold the result to what is true of every result."""
    service = Service(name="target", url=url, body_size_limit=LIMIT, **settings)
    prober = HttpProber(service, url, network)
    started = time.perf_counter()
    try:
        result = await prober.probe(timeout)
        took = time.perf_counter() - started
    finally:
        await prober.close()
    assert took < timeout + SLACK
    assert 0 <= result.duration <= took
    assert (result.reason is None) == result.success
    assert len(result.detail) <= 200
    assert result.detail.isprintable()
    return result


def raw(*pieces: bytes) -> Script:
    """Send bytes to whoever asks, then close."""

    async def script(client: Client) -> None:
        await client.request()
        await client.send(*pieces)

    return script


def answering(body: bytes = HEALTHY, *headers: bytes, status: bytes = b"200 OK") -> Script:
    """Answer well-formed, then close."""

    async def script(client: Client) -> None:
        await client.answer(body, *headers, status=status)

    return script


def chunked(*chunks: bytes) -> bytes:
    """A body in chunks."""
    framed = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join([*framed, b"0\r\n\r\n"])


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def endless(start: bytes, again: bytes) -> Script:
    """Send a beginning, then the same for ever."""

    async def script(client: Client) -> None:
        await client.request()
        await client.send(start)
        piece = again * (65536 // len(again))
        while True:
            await client.send(piece)

    return script


async def silence(client: Client) -> None:
    await client.closed()


async def byte_by_byte(client: Client) -> None:
    await client.request()
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + HEALTHY:
        await client.send(bytes([byte]))
        await asyncio.sleep(0.05)


async def half_an_answer(client: Client) -> None:
    await client.request()
    await client.send(OK, b"Content-Length: 20\r\n\r\n", HEALTHY[:10])
    await client.closed()


async def reset_before_answer(client: Client) -> None:
    await client.request()
    client.reset()


async def reset_mid_body(client: Client) -> None:
    await client.request()
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await asyncio.sleep(0.05)
    client.reset()


async def close_unasked(_: Client) -> None:
    return


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"
BOMB = gzip.compress(bytes(50_000_000))
SECURE_ANSWER = OK + b"Content-Length: 20\r\n\r\n" + HEALTHY
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Case(NamedTuple):
    """What a target does to a plain HTTP probe, and what has to come of it."""

    script: Script
    health: Health
    reason: Reason | None
    settings: dict[str, Any]


def down(script: Script, reason: Reason, **settings: Any) -> Case:
    return Case(script, DOWN, reason, settings)


def up(script: Script, **settings: Any) -> Case:
    return Case(script, UP, None, settings)


PLAIN = {
    # Never an answer, or not in time.
    "accept, then silence": down(silence, Reason.TIMEOUT),
    "a byte now and then": down(byte_by_byte, Reason.TIMEOUT),
    "half an answer, then silence": down(half_an_answer, Reason.TIMEOUT),
    # The connection ends early.
    "closed on sight": down(close_unasked, Reason.RESET),
    "closed without an answer": down(raw(), Reason.RESET),
    "reset before the answer": down(reset_before_answer, Reason.RESET),
    "reset mid-body": down(reset_mid_body, Reason.RESET),
    "closed in the headers": down(raw(OK + b"X-He"), Reason.PROTOCOL),
    # Lengths that are not true.
    "Content-Length too long": down(
        raw(OK, b"Content-Length: 21\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "Content-Length too short": down(
        raw(OK, b"Connection: close\r\nContent-Length: 19\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "Content-Length negative": down(
        raw(OK, b"Content-Length: -1\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "Content-Length no number": down(
        raw(OK, b"Content-Length: x\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "Content-Length beyond counting": down(
        raw(OK, b"Content-Length: ", b"9" * 30, b"\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "two Content-Lengths": down(
        raw(OK, b"Content-Length: 20\r\nContent-Length: 2\r\n\r\n", HEALTHY), Reason.PROTOCOL
    ),
    "Content-Length and chunks": down(
        raw(OK, b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(HEALTHY)),
        Reason.PROTOCOL,
    ),
    # Below 100 (RFC 9110, 15): were it taken for an interim answer, its body would be the next's.
    "status 020": down(
        raw(b"HTTP/1.1 020 OK\r\n", b"Content-Length: 3\r\n\r\n", b"abc", OK, b"\r\n", HEALTHY),
        Reason.PROTOCOL,
    ),
    "103 with a body": down(
        raw(b"HTTP/1.1 103 X\r\n", b"Content-Length: 3\r\n\r\n", b"abc", OK, b"\r\n", HEALTHY),
        Reason.PROTOCOL,
    ),
    "two answers": down(raw(OK, b"Content-Length: 20\r\n\r\n", HEALTHY, SECOND), Reason.PROTOCOL),
    # Chunks that are none.
    "chunk size no number": down(raw(CHUNKED, b"xyz\r\n", HEALTHY), Reason.PROTOCOL),
    "chunk longer than its size": down(raw(CHUNKED, b"2\r\n", HEALTHY, b"\r\n"), Reason.PROTOCOL),
    "chunk size beyond counting": down(raw(CHUNKED, b"f" * 17, b"\r\n", HEALTHY), Reason.PROTOCOL),
    "no last chunk": down(raw(CHUNKED, b"14\r\n", HEALTHY, b"\r\n"), Reason.PROTOCOL),
    "unknown transfer coding": down(
        raw(OK, b"Transfer-Encoding: gzip, chunked\r\n\r\n", chunked(gzip.compress(HEALTHY))),
        Reason.PROTOCOL,
    ),
    # Without end.
    "endless headers": down(endless(OK, b"X-Again: and again\r\n"), Reason.TOO_LARGE),
    "an endless header": down(endless(OK + b"X-Long: ", b"more"), Reason.TOO_LARGE),
    "an endless status line": down(endless(b"HTTP/1.1 200 ", b"more"), Reason.TOO_LARGE),
    "endless interim answers": down(
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Reason.TOO_LARGE
    ),
    "an endless body": down(endless(OK + b"\r\n", b"more"), Reason.TOO_LARGE),
    "an endless body in chunks": down(endless(CHUNKED, b"4\r\nmore\r\n"), Reason.TOO_LARGE),
    "an endless chunk extension": down(endless(CHUNKED + b"4;", b"more"), Reason.TOO_LARGE),
    "endless trailers": down(endless(CHUNKED + b"0\r\n", b"X-Again: more\r\n"), Reason.TOO_LARGE),
    # Compression.
    "a gzip bomb": down(raw(GZIPPED, BOMB), Reason.TOO_LARGE),
    "a deflate bomb": down(
        raw(OK, b"Content-Encoding: deflate\r\n\r\n", zlib.compress(bytes(50_000_000))),
        Reason.TOO_LARGE,
    ),
    "a bomb of many gzip members": down(
        raw(GZIPPED, gzip.compress(bytes(2_000)) * 100), Reason.TOO_LARGE
    ),
    "endless empty gzip members": down(endless(GZIPPED, gzip.compress(b"")), Reason.TOO_LARGE),
    "gzip cut off": down(raw(GZIPPED, gzip.compress(HEALTHY)[:-4]), Reason.PROTOCOL),
    "gzip with a wrong checksum": down(
        raw(GZIPPED, gzip.compress(HEALTHY)[:-8], bytes(8)), Reason.PROTOCOL
    ),
    "no gzip at all": down(answering(HEALTHY, b"Content-Encoding: gzip"), Reason.PROTOCOL),
    "unknown coding": down(answering(HEALTHY, b"Content-Encoding: br"), Reason.PROTOCOL),
    "gzip twice": down(
        answering(
            gzip.compress(gzip.compress(HEALTHY)),
            b"Content-Encoding: gzip",
            b"Content-Encoding: gzip",
        ),
        Reason.PROTOCOL,
    ),
    # Not HTTP.
    "garbage": down(raw(bytes(range(256))), Reason.PROTOCOL),
    "another protocol's greeting": down(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.PROTOCOL),
    "an answer of HTTP/0.9": down(raw(b"<html>hello</html>"), Reason.PROTOCOL),
    "a TLS alert": down(raw(b"\x15\x03\x01\x00\x02\x02\x46"), Reason.PROTOCOL),
    "a status of four digits": down(raw(b"HTTP/1.1 2000 OK\r\n\r\n"), Reason.PROTOCOL),
    "a header without a name": down(raw(OK, b": value\r\n\r\n"), Reason.PROTOCOL),
    # Redirects.
    "a redirect loop": down(
        answering(b"", b"Location: /health", status=b"302 F"), Reason.REDIRECTS
    ),
    "a redirect to another host": down(
        answering(b"", b"Location: http://127.0.0.2/", status=b"301 M"), Reason.REDIRECTS
    ),
    "a redirect to another port": down(
        answering(b"", b"Location: http://127.0.0.1:1/", status=b"307 T"), Reason.REDIRECTS
    ),
    "a redirect to another scheme": down(
        answering(b"", b"Location: https://127.0.0.1/", status=b"308 P"), Reason.REDIRECTS
    ),
    "a redirect to a file": down(
        answering(b"", b"Location: file:///etc/passwd", status=b"302 F"), Reason.REDIRECTS
    ),
    "a redirect to nonsense": down(
        answering(b"", b"Location: http://[::1", status=b"302 F"), Reason.REDIRECTS
    ),
    "a redirect to nowhere": down(answering(b"", status=b"302 F"), Reason.STATUS),
    "a redirect that is not followed": down(
        answering(b"", b"Location: /health", status=b"302 F"), Reason.STATUS, follow_redirects=False
    ),
    # Well-formed answers of targets that are not well.
    "status 500": down(answering(status=b"500 Oops"), Reason.STATUS),
    "status 503, but healthy": down(answering(status=b"503 Busy"), Reason.STATUS),
    "status 404": down(answering(status=b"404 Gone"), Reason.STATUS),
    "status 204": down(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), Reason.STATUS),
    "status 101": down(
        raw(b"HTTP/1.1 101 Switch\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n", HEALTHY),
        Reason.STATUS,
    ),
    "unhealthy": down(answering(b'{"status":"unhealthy"}'), Reason.BODY),
    "a status that nobody knows": down(answering(b'{"status":"\\u001b[31mfine"}'), Reason.BODY),
    "no status": down(answering(b'{"uptime":1}'), Reason.BODY),
    "status null": down(answering(b'{"status":null}'), Reason.BODY),
    "status a number": down(answering(b'{"status":0}'), Reason.BODY),
    "status true": down(answering(b'{"status":true}'), Reason.BODY),
    "status a list": down(answering(b'{"status":["healthy"]}'), Reason.BODY),
    "a list": down(answering(b'[{"status":"healthy"}]'), Reason.BODY),
    "a string": down(answering(b'"healthy"'), Reason.BODY),
    "no body": down(answering(b""), Reason.BODY),
    "white space": down(answering(b" \r\n"), Reason.BODY),
    "HTML": down(answering(b"<html>healthy</html>"), Reason.BODY),
    "JSON cut off": down(answering(HEALTHY[:-1]), Reason.BODY),
    "JSON and more": down(answering(HEALTHY + HEALTHY), Reason.BODY),
    "JSON nested without end": down(answering(b"[" * 90_000), Reason.BODY),
    "a number beyond reading": down(answering(b"9" * 90_000), Reason.BODY),
    "invalid UTF-8": down(answering(b'{"status":"healthy","x":"\xff"}'), Reason.BODY),
    "UTF-16": down(answering('{"status":"healthy"}'.encode("utf-16")), Reason.BODY),
    # What must be up.
    "healthy": up(answering()),
    "ok": up(answering(b'{"status":"ok"}')),
    "ready": up(answering(b' {"status" : "ready"}\r\n')),
    "100 and 103 before the answer": up(
        raw(
            b"HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Encoding: gzip\r\n\r\n",
            OK,
            b"Content-Length: 20\r\n\r\n",
            HEALTHY,
        )
    ),
    "chunked": up(raw(CHUNKED, chunked(HEALTHY[:7], HEALTHY[7:]))),
    "chunked with trailers": up(
        raw(CHUNKED, chunked(HEALTHY)[:-2], b"Content-Encoding: gzip\r\nX-T: 1\r\n\r\n")
    ),
    "gzip": up(answering(gzip.compress(HEALTHY), b"Content-Encoding: gzip")),
    "gzip in chunks": up(
        raw(
            OK,
            b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunked(*(bytes([byte]) for byte in gzip.compress(HEALTHY))),
        )
    ),
    "gzip of two members": up(raw(GZIPPED, gzip.compress(HEALTHY[:9]), gzip.compress(HEALTHY[9:]))),
    "deflate": up(answering(zlib.compress(HEALTHY), b"Content-Encoding: deflate")),
    "deflate without its header": up(answering(raw_deflate(HEALTHY), b"Content-Encoding: deflate")),
    "identity": up(answering(HEALTHY, b"Content-Encoding: identity")),
    "no length until close": up(raw(OK, b"\r\n", HEALTHY)),
    "HTTP/1.0": up(raw(b"HTTP/1.0 200 OK\r\n\r\n", HEALTHY)),
    "no reason phrase": up(raw(b"HTTP/1.1 200\r\nContent-Length: 20\r\n\r\n", HEALTHY)),
    "header names in other case": up(
        raw(OK, b"CONTENT-length:20\r\nX-Empty:\r\ntransfer-ENCODING-x: y\r\n\r\n", HEALTHY)
    ),
    "an offer to upgrade": up(
        answering(HEALTHY, b"Upgrade: h2,h2c", b"Connection: Upgrade, close")
    ),
    "large JSON under the limit": up(
        answering(json.dumps({"checks": ["x"] * 19_000, "status": "ok"}).encode())
    ),
    "compressed JSON just at the limit": up(
        answering(gzip.compress(HEALTHY + b" " * (LIMIT - len(HEALTHY))), b"Content-Encoding: gzip")
    ),
    "status 503 that is expected": up(answering(status=b"503 Busy"), statuses=(200, 503)),
    "status 204 without a body": up(
        raw(b"HTTP/1.1 204 No Content\r\n\r\n"), statuses=(204,), status_field=None
    ),
    "a redirect that is expected": up(
        answering(b"", b"Location: http://elsewhere.invalid/", status=b"302 F"),
        statuses=(302,),
        status_field=None,
    ),
    "degraded": Case(answering(b'{"status":"degraded"}'), DEGRADED, None, {}),
}


async def meeting(case: Case) -> tuple[ProbeResult, Served]:
    """Probe a server that follows a script."""
    async with clean_network() as network, serving(case.script) as served:
        timeout = within(case.reason)
        return await probed(served.url, network, timeout, **case.settings), served


def within(reason: Reason | None) -> float:
    """The deadline of a probe that has to end for a reason, in seconds."""
    return TIMEOUT if reason in SILENT else AMPLE


async def meeting_tls(context: ssl.SSLContext, settings: dict[str, Any]) -> ProbeResult:
    """Probe a server that answers over TLS."""
    async with clean_network() as network:
        with serving_tls(context, SECURE_ANSWER) as served:
            return await probed(served.url, network, **settings)


@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN.keys())
def test_plain(case: Case, run: Run) -> None:
    result, served = run(meeting(case))
    assert (result.health, result.reason) == (case.health, case.reason), result.detail
    assert served.sent < LIMIT + BUFFERS
    length = value(result, names.PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH)
    assert length is not None
    assert length <= LIMIT + ONE_READ


# What is wrong with a server's certificate or TLS, and what has to come of it.
SECURE: dict[str, tuple[Callable[[Authorities], ssl.SSLContext], Reason | None, dict[str, Any]]] = {
    "expired": (lambda ca: ca.expiring(NOW - timedelta(seconds=2)), Reason.TLS_EXPIRED, {}),
    "not yet valid": (Authorities.not_yet_valid, Reason.TLS, {}),
    "for another host": (Authorities.for_another_host, Reason.TLS, {}),
    "of an unknown authority": (Authorities.of_unknown_authority, Reason.TLS, {}),
    "self-signed": (Authorities.self_signed, Reason.TLS, {}),
    "an incomplete chain": (Authorities.without_intermediate, Reason.TLS, {}),
    "TLS 1.0 only": (lambda ca: ca.only_version(ssl.TLSVersion.TLSv1), Reason.TLS, {}),
    "TLS 1.1 only": (lambda ca: ca.only_version(ssl.TLSVersion.TLSv1_1), Reason.TLS, {}),
    "TLS 1.2 where 1.3 is the least": (
        lambda ca: ca.only_version(ssl.TLSVersion.TLSv1_2),
        Reason.TLS,
        {"min_version": "TLS13"},
    ),
    "wants a client certificate": (Authorities.wanting_client_certificate, Reason.TLS, {}),
    "not the server that is named": (Authorities.good, Reason.TLS, {"server_name": "a.example"}),
    "our CA file is missing": (Authorities.good, Reason.TLS, {"ca_file": Path("missing.pem")}),
    "good": (Authorities.good, None, {}),
    "good, by an intermediate": (Authorities.with_intermediate, None, {}),
    "expires within the hour": (Authorities.ending_within_the_hour, None, {}),
    "TLS 1.2": (lambda ca: ca.only_version(ssl.TLSVersion.TLSv1_2), None, {}),
    "the server that is named": (
        Authorities.for_another_host,
        None,
        {"server_name": "other.example"},
    ),
    "unverified on request": (
        Authorities.of_unknown_authority,
        None,
        {"insecure_skip_verify": True},
    ),
}


@pytest.mark.parametrize("case", SECURE.values(), ids=SECURE.keys())
def test_secure(
    case: tuple[Callable[[Authorities], ssl.SSLContext], Reason | None, dict[str, Any]],
    authorities: Authorities,
    run: Run,
) -> None:
    context, reason, settings = case
    settings = {"ca_file": authorities.file} | settings
    result = run(meeting_tls(context(authorities), settings))
    assert result.reason is reason, result.detail
    assert result.success is (reason is None)


async def answer_at_once(client: Client) -> None:
    await client.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await client.closed()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(answer_at_once, Reason.TLS, id="HTTP"),
        pytest.param(silence, Reason.TIMEOUT, id="silence"),
        pytest.param(close_unasked, Reason.RESET, id="closed"),
    ],
)
def test_on_the_https_port(script: Script, reason: Reason, run: Run) -> None:
    async def scenario() -> ProbeResult:
        async with clean_network() as network, serving(script) as served:
            return await probed(served.url.replace("http:", "https:"), network, within(reason))

    result = run(scenario())
    assert (result.health, result.reason) == (DOWN, reason), result.detail


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


# The last two look for nothing in the answer, so that only its absence can fail them.
@pytest.mark.parametrize(
    "settings", [{}, {"status_field": None}, {"fail_if_body_matches_regexp": ("x",)}]
)
def test_refused(settings: dict[str, Any], run: Run) -> None:
    result = run(probed(f"http://127.0.0.1:{closed_port()}", **settings))
    assert (result.health, result.reason) == (DOWN, Reason.CONNECT_REFUSED)


def test_connection_that_is_never_accepted(run: Run) -> None:
    """A full backlog swallows connections as an unroutable network does."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = full.getsockname()
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        result = run(probed(f"http://127.0.0.1:{address[1]}", timeout=TIMEOUT))
    assert (result.health, result.reason) == (DOWN, Reason.CONNECT_TIMEOUT)


@pytest.mark.parametrize("host", ["nothing.invalid", "a" * 64 + ".example", "a..example"])
def test_name_that_does_not_exist(host: str, run: Run) -> None:
    result = run(probed(f"http://{host}"))
    assert (result.health, result.reason) == (DOWN, Reason.DNS)


def test_name_server_that_does_not_answer(run: Run) -> None:
    stuck = threading.Event()

    def lookup(host: str, port: int, family: socket.AddressFamily) -> Addresses:
        stuck.wait()
        raise OSError(host)

    network = Network(Resolver(lookup))
    try:
        result = run(probed("http://slow.example", network, TIMEOUT))
    finally:
        stuck.set()
        network.close()
    assert (result.health, result.reason) == (DOWN, Reason.DNS)


def test_bomb_goes_off_in_small_pieces(run: Run) -> None:
    async def scenario() -> tuple[ProbeResult, int]:
        async with clean_network() as network, serving(raw(GZIPPED, BOMB)) as served:
            tracemalloc.start()
            try:
                result = await probed(served.url, network)
                return result, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    result, peak = run(scenario())
    assert result.reason is Reason.TOO_LARGE
    assert peak < 2_000_000
