"""Probing a real Redis: down with the right reason, in time, and nothing left behind."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from databases import (
    PASSWORD,
    SLACK,
    TIMEOUT,
    Handler,
    interfering,
    listening,
    no_socket_or_task_left,
    of,
    on_uvloop,
    value,
)

from exporter.probers.redis import RedisProber
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.targets import Redis as Target
from programs import Redis, free_port

MAX_CLIENTS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    args = ("--requirepass", PASSWORD, "--maxclients", str(MAX_CLIENTS))
    with Redis(tmp_path_factory.mktemp("redis"), args=args) as started:
        yield started


def url_of(server: Redis, password: str = PASSWORD, user: str = "", database: str = "0") -> str:
    secret = f"{user}:{password}@" if password else ""
    return f"redis://{secret}{server.host}:{server.port}/{database}"


async def probe(url: str, timeout: float = TIMEOUT) -> ProbeResult:
    """One probe; it fails the test if it takes longer than it may, or prints the password."""
    prober = RedisProber(Target(), url)
    started = time.monotonic()
    result = await prober.probe(timeout)
    assert time.monotonic() - started < timeout + SLACK
    assert PASSWORD not in result.detail
    return result


def assert_down(result: ProbeResult, reason: Reason) -> None:
    assert (result.success, result.reason) == (False, reason), result.detail
    assert [sample.metric for sample in result.samples] == [names.REDIS_UP]
    assert value(result, names.REDIS_UP) == 0
    assert result.detail


def assert_up(result: ProbeResult) -> None:
    assert (result.success, result.reason) == (True, None), result.detail
    assert value(result, names.REDIS_UP) == 1


def saying(*replies: bytes) -> Handler:
    """A server that gives these answers, one for each thing that it is sent, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await reader.read(65536):
                break
            writer.write(reply)
        writer.close()

    return speak


# --- down ---------------------------------------------------------------------------------------


@on_uvloop
async def test_a_stopped_server_is_down_within_the_deadline_and_leaves_nothing_behind(
    server: Redis,
) -> None:
    assert_up(await probe(url_of(server)))
    async with no_socket_or_task_left():
        server.pause()
        try:
            for _ in range(3):
                assert_down(await probe(url_of(server), 0.4), Reason.TIMEOUT)
        finally:
            server.resume()
        assert_up(await probe(url_of(server)))


@on_uvloop
async def test_a_stopped_server_with_tls_leaves_nothing_behind_either(tmp_path: Path) -> None:
    authority, port = trustme.CA(), free_port()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key"))
    files = (f"--tls-{name}-file" for name in ("cert", "key", "ca-cert"))
    paths = (str(tmp_path / name) for name in ("cert", "key", "ca"))
    args = [part for pair in zip(files, paths, strict=True) for part in pair]
    args += ["--tls-port", str(port), "--tls-auth-clients", "no"]
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'ca'}"
    with Redis(tmp_path / "redis", args=args) as server:
        assert_up(await probe(url))
        async with no_socket_or_task_left():
            server.pause()
            assert_down(await probe(url, 0.4), Reason.TIMEOUT)
        server.resume()
        async with no_socket_or_task_left(), interfering(port, b"\x17\x03\x03", "swallow") as half:
            # It has shaken hands, and is silent from then on.
            assert_down(await probe(url.replace(f":{port}/", f":{half}/"), 0.4), Reason.TIMEOUT)
        async with no_socket_or_task_left():
            assert_down(await probe(url.partition("?")[0]), Reason.TLS)


@on_uvloop
async def test_a_server_that_nobody_started_refuses() -> None:
    assert_down(await probe(f"redis://127.0.0.1:{free_port()}/0"), Reason.CONNECT_REFUSED)


@on_uvloop
async def test_a_name_that_does_not_exist_is_a_failure_of_dns() -> None:
    assert_down(await probe("redis://no-such-host.invalid/0"), Reason.DNS)


@pytest.mark.parametrize(("user", "password"), [("", "wrong"), ("", ""), ("nobody", PASSWORD)])
@on_uvloop
async def test_a_wrong_user_or_password_is_a_failure_of_authentication(
    server: Redis, user: str, password: str
) -> None:
    async with no_socket_or_task_left():
        assert_down(await probe(url_of(server, password, user)), Reason.AUTH)


@on_uvloop
async def test_a_user_that_may_not_ping_is_a_failure_of_authentication(server: Redis) -> None:
    await command(server, f"ACL SETUSER info on >{PASSWORD} +info")
    assert_down(await probe(url_of(server, user="info")), Reason.AUTH)


@on_uvloop
async def test_a_full_server_has_too_many_clients(server: Redis) -> None:
    held = [socket.create_connection((server.host, server.port)) for _ in range(MAX_CLIENTS)]
    await asyncio.sleep(0.1)
    try:
        async with no_socket_or_task_left():
            for _ in range(5):
                result = await probe(url_of(server))
                # Redis hangs up on us, perhaps before we have said anything.
                assert (result.success, result.reason) in (
                    (False, Reason.TOO_MANY_CLIENTS),
                    (False, Reason.RESET),
                )
    finally:
        for one in held:
            one.close()
    assert result.reason is Reason.TOO_MANY_CLIENTS, result.detail


@on_uvloop
async def test_a_database_that_does_not_exist_is_a_failure_of_the_query(server: Redis) -> None:
    assert_down(await probe(url_of(server, database="99")), Reason.QUERY)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ((b"-LOADING Redis is loading the dataset in memory\r\n",), Reason.CONNECT),
        ((b"-MISCONF Errors writing to the AOF file\r\n",), Reason.QUERY),
        ((b"-ERR max number of clients reached\r\n",), Reason.TOO_MANY_CLIENTS),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Reason.PROTOCOL),
        ((b"\x00\xff" * 1000,), Reason.PROTOCOL),
        ((b":1\r\n",), Reason.PROTOCOL),
        ((b"$-1\r\n",), Reason.PROTOCOL),
        ((b"",), Reason.RESET),
        ((b"+PONG\r\n", b""), Reason.RESET),
        ((b"+PO",), Reason.RESET),
    ],
)
@on_uvloop
async def test_an_answer_other_than_pong_is_down_with_the_right_reason(
    replies: tuple[bytes, ...], reason: Reason
) -> None:
    async with no_socket_or_task_left(), listening(saying(*replies)) as port:
        assert_down(await probe(f"redis://127.0.0.1:{port}/0"), reason)


@on_uvloop
async def test_an_old_server_that_repeats_the_password_gets_it_no_further() -> None:
    echo = f"-ERR unknown command `AUTH`, with args beginning with: `{PASSWORD}`, \r\n".encode()
    async with listening(saying(echo)) as port:
        result = await probe(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    assert_down(result, Reason.QUERY)
    assert "***" in result.detail


@on_uvloop
async def test_a_repeated_password_is_taken_out_before_the_text_is_cut() -> None:
    echo = b"-ERR " + b"x" * 190 + PASSWORD.encode() + b"\r\n"
    async with listening(saying(echo)) as port:
        result = await probe(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    assert PASSWORD[:4] not in result.detail


@pytest.mark.parametrize(
    "end", ["0?no_such_setting=1", "0?socket_timeout=soon", "0?db=first", "first"]
)
def test_a_url_that_cannot_be_used_is_refused_before_anything_is_probed(end: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        RedisProber(Target(), f"redis://:{PASSWORD}@127.0.0.1/{end}")
    assert PASSWORD not in str(caught.value)


# --- INFO ---------------------------------------------------------------------------------------


@on_uvloop
async def test_a_user_that_may_ping_but_not_read_info_is_up_and_the_detail_says_why(
    server: Redis,
) -> None:
    """Redis works for everybody else: to wake somebody for our missing right would be wrong."""
    await command(server, f"ACL SETUSER ping on >{PASSWORD} +ping")
    result = await probe(url_of(server, user="ping"))
    assert_up(result)
    assert len(result.samples) == 1
    assert result.detail.startswith("INFO was refused: ")


@pytest.mark.parametrize("reply", [b":1\r\n", b"$-1\r\n", b"*1\r\n:1\r\n"])
@on_uvloop
async def test_info_that_is_none_leaves_redis_up_without_figures(reply: bytes) -> None:
    async with listening(saying(b"+PONG\r\n", reply)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert_up(result)
    assert len(result.samples) == 1
    assert result.detail


@on_uvloop
async def test_figures_that_are_missing_or_none_are_left_out() -> None:
    info = b"uptime_in_seconds:7\r\nmaxmemory:none\r\nconnected_clients:\r\ndb0:keys=x\r\n"
    async with listening(saying(b"+PONG\r\n", b"$%d\r\n%b\r\n" % (len(info), info))) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert_up(result)
    assert {sample.metric for sample in result.samples} == {names.REDIS_UP, names.REDIS_UPTIME}


@on_uvloop
async def test_info_that_never_comes_is_a_timeout(server: Redis) -> None:
    async with (
        no_socket_or_task_left(),
        interfering(server.port, b"INFO", "swallow") as port,
    ):
        result = await probe(url_of(server).replace(f":{server.port}", f":{port}"), 0.4)
        assert_down(result, Reason.TIMEOUT)


@on_uvloop
async def test_a_healthy_server_has_every_sample(server: Redis) -> None:
    await command(server, "SET key value", "SELECT 3", "SET key value", "SET other value")
    result = await probe(url_of(server))
    assert_up(result)
    assert result.detail == ""
    declared = {m for m in names.catalogue().values() if m.name.startswith("redis_")}
    assert {sample.metric for sample in result.samples} == declared
    assert value(result, names.REDIS_CONFIG_MAXCLIENTS) == MAX_CLIENTS
    assert value(result, names.REDIS_CONNECTED_CLIENTS) == 1
    keys = {one.labels: one.value for one in of(result, names.REDIS_DB_KEYS)}
    assert keys == {("db0",): 1, ("db3",): 2}


# --- cancelling ---------------------------------------------------------------------------------


def connecting(server: Redis) -> RedisProber:
    return RedisProber(Target(), url_of(server))


def hanging(server: Redis) -> RedisProber:
    server.pause()
    return RedisProber(Target(), url_of(server))


@pytest.mark.parametrize("prepared", [connecting, hanging])
@on_uvloop
async def test_cancelling_at_any_moment_leaves_nothing_behind(
    server: Redis, prepared: Callable[[Redis], RedisProber]
) -> None:
    async with no_socket_or_task_left():
        prober = prepared(server)
        try:
            for moment in range(100):
                task = asyncio.create_task(prober.probe(TIMEOUT))
                await asyncio.sleep(moment * 0.00005)
                task.cancel()
                await asyncio.wait([task], timeout=1)
                assert task.done(), f"it goes on after being cancelled at {moment * 0.05} ms"
        finally:
            server.resume()


async def command(server: Redis, *lines: str) -> None:
    """Run commands on one connection of the default user; each has to succeed."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    for line in (f"AUTH {PASSWORD}", *lines):
        writer.write(f"{line}\r\n".encode())
        assert await reader.readline() == b"+OK\r\n", line
    writer.close()
    await writer.wait_closed()
