"""Probing a real Redis: down with the right reason, in time, and nothing left behind."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from databases import (
    HANGS,
    PASSWORD,
    TIMEOUT,
    listening,
    no_socket_or_task_left,
    of,
    on_uvloop,
    value,
)
from redis_servers import command, probe, saying, url_of

from exporter.probers.redis import RedisProber
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.redis import Redis as Target
from programs import Redis, free_port

MAX_CLIENTS = 20
COLLECTORS = {("info",), ("config",), ("slowlog",)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    args = ("--requirepass", PASSWORD, "--maxclients", str(MAX_CLIENTS))
    with Redis(tmp_path_factory.mktemp("redis"), args=args) as started:
        yield started


def assert_down(result: ProbeResult, reason: Reason) -> None:
    assert (result.success, result.reason) == (False, reason), result.detail
    assert value(result, names.REDIS_UP) == 0
    # A question that was not answered is never a series that is missing.
    assert {one.labels for one in of(result, names.REDIS_COLLECTOR_SUCCESS)} == COLLECTORS
    assert result.detail


def assert_up(result: ProbeResult) -> None:
    assert (result.success, result.reason) == (True, None), result.detail
    assert value(result, names.REDIS_UP) == 1


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
                assert_down(await probe(url_of(server), HANGS), Reason.TIMEOUT)
        finally:
            server.resume()
        assert_up(await probe(url_of(server)))


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
                assert_down(result, Reason.TOO_MANY_CLIENTS)
    finally:
        for one in held:
            one.close()
    # Others are let in again when it has seen them go.
    deadline = time.monotonic() + 60
    while not (await probe(url_of(server))).success:
        assert time.monotonic() < deadline, "it stays full"


@on_uvloop
async def test_a_database_that_does_not_exist_is_a_failure_of_the_query(server: Redis) -> None:
    assert_down(await probe(url_of(server, database="99")), Reason.QUERY)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ((b"-LOADING Redis is loading the dataset in memory\r\n",), Reason.QUERY),
        ((b"-MISCONF Errors writing to the AOF file\r\n",), Reason.QUERY),
        ((b"-ERR max number of clients reached\r\n",), Reason.TOO_MANY_CLIENTS),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Reason.PROTOCOL),
        ((b"\x00\xff" * 1000,), Reason.PROTOCOL),
        ((b":1\r\n", *[b"-ERR\r\n"] * 3), Reason.PROTOCOL),
        ((b"$-1\r\n", *[b"-ERR\r\n"] * 3), Reason.PROTOCOL),
        ((b"-DENIED Redis is running in protected mode\r\n",), Reason.AUTH),
        # What would ask for gigabytes if it were believed.
        ((b"*4294967295\r\n",), Reason.PROTOCOL),
        ((b"*100000000\r\n",), Reason.PROTOCOL),
        ((b"*10000\r\n",), Reason.PROTOCOL),
        ((b"%100000000\r\n",), Reason.PROTOCOL),
        ((b"+PONG\r\n*1\r\n*100000000\r\n",), Reason.PROTOCOL),
        ((b"*9999\r\n",), Reason.RESET),
        ((b"$536870912\r\n" + b"x" * 2_000_000,), Reason.TOO_LARGE),
        ((b"*1\r\n" * 100_000,), Reason.PROTOCOL),
        ((b"",), Reason.RESET),
        ((b"+PONG\r\n",), Reason.RESET),
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
    assert_down(result, Reason.AUTH)
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
                await asyncio.wait([task], timeout=TIMEOUT / 2)
                assert task.done(), f"it goes on after being cancelled at {moment * 0.05} ms"
        finally:
            server.resume()
            await prober.close()
