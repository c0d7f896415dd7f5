"""Probing Sentinels, and the master that they name: real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import PASSWORD, listening, no_socket_or_task_left, of, on_uvloop, value
from redis_servers import command, labelled, probe, probe_sentinel, saying

from exporter.probers.redis import RedisProber, SentinelProber
from exporter.probers.result import Health, ProbeResult, Reason
from model import names
from model.redis import Redis as Target
from model.redis import Sentinel as SentinelTarget
from programs import Redis, Sentinel, free_port

MASTER = "mymaster"


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("master")) as started:
        yield started


@pytest.fixture(scope="module")
def sentinel(master: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinel]:
    directory = tmp_path_factory.mktemp("sentinel")
    with Sentinel(directory, master, master_name=MASTER) as started:
        yield started


def url_of(server: Redis) -> str:
    return f"redis://{server.host}:{server.port}"


async def of_master(sentinel: str, **settings: Any) -> ProbeResult:
    return await probe(sentinel, master_name=MASTER, **settings)


# --- a Sentinel itself --------------------------------------------------------------------------


@on_uvloop
async def test_a_sentinel_that_does_not_answer_is_down_within_the_deadline(
    sentinel: Sentinel,
) -> None:
    async with no_socket_or_task_left():
        sentinel.pause()
        result = await probe_sentinel(url_of(sentinel), 0.4, masters=(MASTER,))
        sentinel.resume()
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)
    assert set(labelled(result, names.REDIS_COLLECTOR_SUCCESS).values()) == {0}


@on_uvloop
async def test_a_sentinel_tells_of_its_masters(sentinel: Sentinel, master: Redis) -> None:
    async with asyncio.timeout(90):
        while True:
            result = await probe_sentinel(url_of(sentinel), masters=(MASTER,))
            # It trusts nothing for half a minute after it was held up for two seconds.
            if value(result, names.REDIS_SENTINEL_TILT) == 0:
                break
            await asyncio.sleep(0.5)
    assert (result.health, result.detail) == (Health.HEALTHY, "")
    address = f"{master.host}:{master.port}"
    assert value(result, names.REDIS_SENTINEL_MASTERS) == 1
    status = labelled(result, names.REDIS_SENTINEL_MASTER_STATUS)
    assert status == {(MASTER, address, "ok"): 1}
    assert labelled(result, names.REDIS_SENTINEL_MASTER_SENTINELS) == {(MASTER, address): 1}
    [(name, message)] = labelled(result, names.REDIS_SENTINEL_MASTER_CKQUORUM)
    assert name == MASTER
    assert message.startswith("OK 1 usable Sentinels")
    # RedisDown is about servers that keep data.
    assert of(result, names.REDIS_UP) == []
    assert of(result, names.REDIS_DB_KEYS) == []


@on_uvloop
async def test_a_sentinel_that_could_not_replace_its_master_is_degraded(
    master: Redis, tmp_path: Path
) -> None:
    # More than there are in all: Sentinels of one master find each other after a while.
    with Sentinel(tmp_path, master, master_name=MASTER, quorum=9) as alone:
        result = await probe_sentinel(url_of(alone), masters=(MASTER,))
    assert (result.health, result.success) == (Health.DEGRADED, True)
    assert "NOQUORUM" in result.detail
    assert set(labelled(result, names.REDIS_SENTINEL_MASTER_CKQUORUM).values()) == {0}


@on_uvloop
async def test_a_sentinel_that_does_not_watch_what_it_should_is_degraded(
    sentinel: Sentinel,
) -> None:
    result = await probe_sentinel(url_of(sentinel), masters=(MASTER, "other"))
    assert result.health is Health.DEGRADED
    assert "other: ERR No such master" in result.detail


def test_a_sentinel_has_no_databases() -> None:
    target = SentinelTarget(name="sentinel", url="redis://sentinel", masters=(MASTER,))
    with pytest.raises(ValueError, match="a Sentinel has none"):
        SentinelProber(target, "redis://sentinel/3")


# --- the master that Sentinels name ---------------------------------------------------------------


@on_uvloop
async def test_the_master_that_a_sentinel_names_is_probed(
    sentinel: Sentinel, master: Redis
) -> None:
    result = await of_master(url_of(sentinel))
    assert (result.success, result.detail) == (True, "")
    [labels] = labelled(result, names.REDIS_INSTANCE_INFO)
    assert (labels[0], str(master.port)) == ("master", labels[6])


@on_uvloop
async def test_a_name_that_no_sentinel_knows_is_down(sentinel: Sentinel) -> None:
    result = await probe(url_of(sentinel), master_name="nobody")
    assert (result.success, result.reason) == (False, Reason.QUERY)
    assert "knows no master named nobody" in result.detail
    assert value(result, names.REDIS_UP) == 0


@on_uvloop
async def test_another_sentinel_is_asked_when_one_refuses_or_hangs(
    sentinel: Sentinel, master: Redis, tmp_path: Path
) -> None:
    others = (f"{sentinel.host}:{sentinel.port}",)
    refused = await of_master(f"redis://127.0.0.1:{free_port()}", sentinels=others)
    assert refused.success, refused.detail
    with Sentinel(tmp_path, master, master_name=MASTER) as hung:
        async with no_socket_or_task_left():
            hung.pause()
            result = await of_master(url_of(hung), timeout=5.0, sentinels=others)
            hung.resume()
    assert result.success, result.detail


@on_uvloop
async def test_without_any_sentinel_the_last_one_says_why(sentinel: Sentinel) -> None:
    async with no_socket_or_task_left():
        sentinel.pause()
        result = await of_master(
            url_of(sentinel), timeout=1.0, sentinels=(f"127.0.0.1:{free_port()}",)
        )
        sentinel.resume()
    assert (result.success, result.reason) == (False, Reason.CONNECT_REFUSED)
    assert result.detail.startswith("Sentinel 127.0.0.1:")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"*-1\r\n", Reason.QUERY),
        (b"*2\r\n$4\r\nhost\r\n$4\r\nport\r\n", Reason.PROTOCOL),
        (b"*1\r\n$4\r\nhost\r\n", Reason.PROTOCOL),
        (b"$2\r\nhi\r\n", Reason.PROTOCOL),
        (b"-NOAUTH Authentication required.\r\n", Reason.AUTH),
        (b"", Reason.RESET),
    ],
)
@on_uvloop
async def test_an_answer_that_is_no_address_is_down(reply: bytes, reason: Reason) -> None:
    async with no_socket_or_task_left(), listening(saying(reply)) as port:
        result = await of_master(f"redis://127.0.0.1:{port}")
    assert (result.success, result.reason) == (False, reason)


@on_uvloop
async def test_a_sentinel_with_a_password_of_its_own(master: Redis, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    args = ("--requirepass", PASSWORD)
    with Sentinel(tmp_path / "sentinel", master, master_name=MASTER, args=args) as guarded:
        without = await of_master(url_of(guarded))
        result = await of_master(url_of(guarded), sentinel_password_file=file)
        file.write_text("another")
        wrong = await of_master(url_of(guarded), sentinel_password_file=file)
        file.unlink()
        missing = await of_master(url_of(guarded), sentinel_password_file=file)
    assert (without.success, without.reason) == (False, Reason.AUTH)
    assert result.success, result.detail
    assert (wrong.success, wrong.reason) == (False, Reason.AUTH)
    assert (missing.success, missing.reason) == (False, Reason.AUTH)


@on_uvloop
async def test_a_replica_that_a_sentinel_takes_for_the_master_is_down(
    master: Redis, tmp_path: Path
) -> None:
    """As long as a Sentinel has not heard of a failover: writes would fail there."""
    with Redis(tmp_path / "replica") as replica:
        host, port = replica.host.encode(), str(replica.port).encode()
        reply = b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(host), host, len(port), port)
        await command(replica, f"REPLICAOF {master.host} {master.port}", password="")
        async with listening(saying(reply)) as stale:
            result = await of_master(f"redis://127.0.0.1:{stale}")
    assert (result.success, result.reason) == (False, Reason.QUERY)
    assert "it calls itself a slave" in result.detail


@asynccontextmanager
async def _prober(url: str) -> AsyncIterator[RedisProber]:
    prober = RedisProber(Target(master_name=MASTER), url)
    try:
        yield prober
    finally:
        await prober.close()


@contextmanager
def _pair(directory: Path) -> Iterator[tuple[Redis, Redis, Sentinel]]:
    with Redis(directory / "first") as first:
        args = ("--replicaof", f"{first.host} {first.port}")
        with (
            Redis(directory / "second", args=args) as second,
            Sentinel(directory / "sentinel", first, master_name=MASTER, down_after=0.5) as sentinel,
        ):
            yield first, second, sentinel


@on_uvloop
async def test_after_a_failover_the_new_master_is_probed_under_the_same_name(
    tmp_path: Path,
) -> None:
    with _pair(tmp_path) as (first, second, sentinel):
        async with _prober(url_of(sentinel)) as prober, asyncio.timeout(150):
            assert (await prober.probe(5)).success
            # The Sentinel has to know the replica before the master dies.
            while True:
                seen = await probe_sentinel(url_of(sentinel), masters=(MASTER,))
                if set(labelled(seen, names.REDIS_SENTINEL_MASTER_SLAVES).values()) == {1}:
                    break
                await asyncio.sleep(0.2)
            first.kill()
            down = await prober.probe(5)
            assert (down.success, value(down, names.REDIS_UP)) == (False, 0)
            while True:
                result = await prober.probe(5)
                if result.success:
                    break
                await asyncio.sleep(0.2)
        [labels] = labelled(result, names.REDIS_INSTANCE_INFO)
        assert (labels[0], labels[6]) == ("master", str(second.port))
