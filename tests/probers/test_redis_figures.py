"""What is read of a Redis that is up: from INFO and CONFIG, and the sizes of keys."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import (
    HANGS,
    PASSWORD,
    interfering,
    listening,
    no_socket_or_task_left,
    on_uvloop,
    value,
)
from redis_servers import Secured, command, labelled, probe, saying, url_of

from exporter.exposition import fragments, join
from exporter.probers.redis import RedisProber
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.redis import Redis as Target
from model.redis import RedisKey
from programs import Redis, find

CONFIG_REPLIES = b"*2\r\n$10\r\nmaxclients\r\n$1\r\n9\r\n" + b"*0\r\n" * 3 + b":0\r\n*0\r\n"
OF_SLOWLOG = {
    names.REDIS_SLOWLOG_LENGTH,
    names.REDIS_SLOWLOG_LAST_ID,
    names.REDIS_LAST_SLOW_DURATION,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    args = ("--requirepass", PASSWORD, "--maxclients", "50", "--maxmemory", "64mb")
    with Redis(tmp_path_factory.mktemp("redis"), args=(*args, "--appendonly", "yes")) as started:
        yield started


def assert_up(result: ProbeResult) -> None:
    assert (result.success, result.reason) == (True, None), result.detail
    assert value(result, names.REDIS_UP) == 1


def collected(result: ProbeResult) -> dict[str, float]:
    found = labelled(result, names.REDIS_COLLECTOR_SUCCESS)
    return {labels[0]: told for labels, told in found.items()}


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


# --- INFO ---------------------------------------------------------------------------------------


@on_uvloop
async def test_a_user_that_may_ping_but_not_read_info_is_up_and_the_detail_says_why(
    server: Redis,
) -> None:
    """Redis works for everybody else: to wake somebody for our missing right would be wrong."""
    await command(server, f"ACL SETUSER ping on >{PASSWORD} +ping")
    result = await probe(url_of(server, user="ping"))
    assert_up(result)
    assert collected(result) == {"info": 0, "config": 0, "slowlog": 0}
    assert {sample.metric for sample in result.samples} == {
        names.REDIS_UP,
        names.REDIS_COLLECTOR_SUCCESS,
    }
    assert "INFO was refused: NOPERM" in result.detail
    assert "CONFIG was refused: NOPERM" in result.detail


@pytest.mark.parametrize("reply", [b":1\r\n", b"$-1\r\n", b"*1\r\n:1\r\n", b"$2\r\nhi\r\n"])
@on_uvloop
async def test_info_that_is_none_leaves_redis_up_without_figures(reply: bytes) -> None:
    async with listening(saying(b"+PONG\r\n", reply, CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert_up(result)
    assert collected(result) == {"info": 0, "config": 1, "slowlog": 1}
    assert "INFO was answered with something else" in result.detail


@on_uvloop
async def test_figures_that_are_missing_or_none_are_left_out() -> None:
    info = b"uptime_in_seconds:7\r\nused_memory:none\r\nconnected_clients:\r\ndb3:keys=x\r\n"
    info += b"cmdstat_get:calls=x,usec=\r\nslave0:ip=1\r\ncmdstat_\r\n"
    async with listening(saying(b"+PONG\r\n", bulk(info), CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert_up(result)
    found = {sample.metric for sample in result.samples} - {names.REDIS_COLLECTOR_SUCCESS}
    ours = {names.REDIS_DB_KEYS, names.REDIS_DB_KEYS_EXPIRING, names.REDIS_CONFIG_MAXCLIENTS}
    ours |= OF_SLOWLOG | {names.REDIS_START_TIME}
    assert found == {names.REDIS_UP, names.REDIS_UPTIME} | ours
    assert labelled(result, names.REDIS_DB_KEYS) == {("db0",): 0}


@on_uvloop
async def test_lines_that_come_twice_do_not_become_two_series() -> None:
    twice = b"used_memory:1\r\nused_memory:2\r\ndb0:keys=1,expires=0\r\ndb0:keys=2,expires=0\r\n"
    twice += b"slave0:ip=a,port=1,state=online,lag=0\r\nslave1:ip=a,port=1,state=online,lag=9\r\n"
    twice += b"cmdstat_get:calls=1\r\ncmdstat_get:calls=2\r\n"
    async with listening(saying(b"+PONG\r\n", bulk(twice), CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    for metric in {sample.metric for sample in result.samples}:
        labelled(result, metric)
    assert value(result, names.REDIS_MEMORY_USED) == 2


@on_uvloop
async def test_statistics_without_end_are_refused() -> None:
    many = b"".join(b"cmdstat_%d:calls=1\r\n" % number for number in range(6000))
    async with listening(saying(b"+PONG\r\n", bulk(many), CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert_up(result)
    assert collected(result)["info"] == 0
    assert labelled(result, names.REDIS_COMMANDS) == {}


@on_uvloop
async def test_labels_that_a_server_chose_are_short_and_printable() -> None:
    info = b"role:master\r\nos:" + b"x" * 5000 + b"\r\nredis_version:\x1b[31m\xff\r\n"
    async with listening(saying(b"+PONG\r\n", bulk(info), CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    [labels] = labelled(result, names.REDIS_INSTANCE_INFO)
    assert all(len(label) <= 200 and label.isprintable() for label in labels)


@on_uvloop
async def test_info_that_never_comes_is_a_timeout(server: Redis) -> None:
    async with no_socket_or_task_left(), interfering(server.port, b"INFO", "swallow") as port:
        result = await probe(url_of(server).replace(f":{server.port}", f":{port}"), HANGS)
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)


@on_uvloop
async def test_what_a_server_that_is_loading_tells_of_itself_is_kept() -> None:
    info = bulk(b"loading:1\r\nuptime_in_seconds:3\r\n")
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    async with listening(saying(loading, info, CONFIG_REPLIES)) as port:
        result = await probe(f"redis://127.0.0.1:{port}/0")
    assert (result.success, result.reason) == (False, Reason.QUERY)
    assert result.detail.startswith("LOADING")
    assert value(result, names.REDIS_UP) == 0
    assert value(result, names.REDIS_LOADING) == 1


@on_uvloop
async def test_a_master_has_every_family_but_those_of_others(server: Redis) -> None:
    await command(server, "SET key value EX 100", "SELECT 3", "SET key value", "SET other value")
    result = await probe(url_of(server), keys=(RedisKey(name="jobs", kind="list"),))
    assert_up(result)
    assert result.detail == ""
    declared = {m for m in names.catalogue().values() if "redis_" in m.name}
    found = {sample.metric for sample in result.samples}
    of_replicas = {names.REDIS_SLAVE_PRIORITY, *(m for m in declared if "master_host" in m.labels)}
    of_masters = {m for m in declared if "slave_ip" in m.labels}
    of_sentinels = {m for m in declared if "sentinel" in m.name}
    assert found == declared - of_replicas - of_masters - of_sentinels
    assert value(result, names.REDIS_CONNECTED_CLIENTS) == 1
    assert value(result, names.REDIS_MEMORY_MAX) == 64 << 20
    assert value(result, names.REDIS_RDB_LAST_STATUS) == 1
    assert value(result, names.REDIS_AOF_WRITE_STATUS) == 1
    assert labelled(result, names.REDIS_DB_KEYS) == {("db0",): 1, ("db3",): 2}
    assert labelled(result, names.REDIS_DB_KEYS_EXPIRING) == {("db0",): 1, ("db3",): 0}
    assert 0 <= labelled(result, names.REDIS_DB_AVG_TTL)["db0",] <= 100


@on_uvloop
async def test_commands_are_counted_each_by_itself(server: Redis) -> None:
    before = labelled(await probe(url_of(server)), names.REDIS_COMMANDS)
    await command(server, "SADD counted 1", "SADD counted 2", "CONFIG GET port")
    result = await probe(url_of(server))
    after = labelled(result, names.REDIS_COMMANDS)
    assert after["sadd",] - before.get(("sadd",), 0) == 2
    assert ("config|get",) in after
    assert labelled(result, names.REDIS_COMMANDS_DURATION)["sadd",] > 0
    assert set(labelled(result, names.REDIS_COMMANDS_FAILED)) == set(after)


@on_uvloop
async def test_a_prober_that_reads_again_sees_what_has_changed_and_no_more(server: Redis) -> None:
    prober = RedisProber(Target(), url_of(server))
    await command(server, "FLUSHALL", "SET one 1")
    first = await prober.probe(3)
    await command(server, "FLUSHALL")
    second = await prober.probe(3)
    await prober.close()
    assert labelled(first, names.REDIS_DB_KEYS) == {("db0",): 1}
    assert labelled(second, names.REDIS_DB_KEYS) == {("db0",): 0}
    [was], [now] = (
        labelled(first, names.REDIS_INSTANCE_INFO),
        labelled(second, names.REDIS_INSTANCE_INFO),
    )
    assert was == now
    assert value(second, names.REDIS_COMMANDS_PROCESSED) > value(
        first, names.REDIS_COMMANDS_PROCESSED
    )


@on_uvloop
async def test_promtool_has_nothing_to_say_about_the_metrics(server: Redis) -> None:
    result = await probe(url_of(server), keys=(RedisKey(name="jobs", kind="list"),))
    page = b"".join(join(names.catalogue().values(), [fragments(result.samples, "redis")]))
    process = await asyncio.create_subprocess_exec(
        find("promtool"), "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await process.communicate(page)
    assert (process.returncode, said) == (0, b"")


# --- CONFIG -------------------------------------------------------------------------------------


@on_uvloop
async def test_a_user_that_may_not_read_the_config_lacks_only_what_it_alone_knows(
    server: Redis,
) -> None:
    await command(server, f"ACL SETUSER info on >{PASSWORD} +ping +info")
    result = await probe(url_of(server, user="info"))
    assert_up(result)
    assert collected(result) == {"info": 1, "config": 0, "slowlog": 0}
    assert "CONFIG was refused: NOPERM" in result.detail
    found = {sample.metric for sample in result.samples}
    assert found.isdisjoint({names.REDIS_CONFIG_IO_THREADS, names.REDIS_CONFIG_MAXMEMORY})
    # INFO knows it since Redis 7.
    assert value(result, names.REDIS_CONFIG_MAXCLIENTS) == 50


@on_uvloop
async def test_settings_are_read(server: Redis) -> None:
    result = await probe(url_of(server))
    assert collected(result) == {"info": 1, "config": 1, "slowlog": 1}
    assert value(result, names.REDIS_CONFIG_MAXCLIENTS) == 50
    assert value(result, names.REDIS_CONFIG_MAXMEMORY) == 64 << 20
    assert value(result, names.REDIS_CONFIG_IO_THREADS) == 1


@on_uvloop
async def test_config_under_another_name_and_not_at_all(server: Redis) -> None:
    renamed = await probe(url_of(server), config_command="c0nfig")
    assert collected(renamed) == {"info": 1, "config": 0, "slowlog": 1}
    never = await probe(url_of(server), config_command=None)
    assert collected(never) == {"info": 1, "slowlog": 1}
    assert never.detail == ""


# --- keys ---------------------------------------------------------------------------------------

KEYS = (
    RedisKey(name="jobs", kind="list"),
    RedisKey(name="seen", kind="set"),
    RedisKey(name="later", kind="sorted set", database=5),
    RedisKey(name="events", kind="stream"),
    RedisKey(name="fields", kind="hash", database=2),
)


@on_uvloop
async def test_keys_of_every_kind_and_database_are_counted(server: Redis) -> None:
    await command(
        server,
        "FLUSHALL",
        "RPUSH jobs a b c",
        "SADD seen a b",
        "XADD events * a 1",
        "SELECT 5",
        "ZADD later 1 a 2 b",
        "SELECT 2",
        "HSET fields a 1",
    )
    result = await probe(url_of(server), keys=KEYS)
    assert labelled(result, names.REDIS_KEY_SIZE) == {
        ("db0", "jobs"): 3,
        ("db0", "seen"): 2,
        ("db5", "later"): 2,
        ("db0", "events"): 1,
        ("db2", "fields"): 1,
    }
    assert collected(result)["keys"] == 1
    # They stand in the URL's database, whichever that is.
    elsewhere = await probe(url_of(server, database="5"), keys=KEYS)
    assert labelled(elsewhere, names.REDIS_KEY_SIZE)["db5", "jobs"] == 0


@on_uvloop
async def test_a_key_that_does_not_exist_has_no_entries(server: Redis) -> None:
    await command(server, "FLUSHALL")
    result = await probe(url_of(server), keys=KEYS)
    assert set(labelled(result, names.REDIS_KEY_SIZE).values()) == {0}
    assert collected(result)["keys"] == 1


@on_uvloop
async def test_a_key_of_another_kind_has_no_size_and_spares_the_others(server: Redis) -> None:
    await command(server, "FLUSHALL", "SET jobs text", "SADD seen a")
    result = await probe(url_of(server), keys=KEYS)
    assert_up(result)
    sizes = labelled(result, names.REDIS_KEY_SIZE)
    assert ("db0", "jobs") not in sizes
    assert sizes["db0", "seen"] == 1
    assert collected(result)["keys"] == 0
    assert "the key jobs: WRONGTYPE" in result.detail


@on_uvloop
async def test_keys_of_a_database_that_cannot_be_selected_are_not_taken_from_another(
    server: Redis,
) -> None:
    keys = (
        RedisKey(name="jobs", kind="list"),
        RedisKey(name="jobs", kind="list", database=5),
        RedisKey(name="jobs", kind="list", database=99),
    )
    await command(server, "FLUSHALL", "RPUSH jobs a", "SELECT 5", "RPUSH jobs a b")
    result = await probe(url_of(server), keys=keys)
    assert_up(result)
    assert labelled(result, names.REDIS_KEY_SIZE) == {("db0", "jobs"): 1, ("db5", "jobs"): 2}
    assert collected(result)["keys"] == 0
    assert "database db99 was refused" in result.detail


@on_uvloop
async def test_a_user_that_may_not_see_a_key_is_told_so(server: Redis) -> None:
    await command(server, f"ACL SETUSER queues on >{PASSWORD} +ping +info +config|get +llen ~jobs")
    keys = (RedisKey(name="jobs", kind="list"), RedisKey(name="secret", kind="list"))
    result = await probe(url_of(server, user="queues"), keys=keys)
    assert set(labelled(result, names.REDIS_KEY_SIZE)) == {("db0", "jobs")}
    assert collected(result) == {"info": 1, "config": 1, "slowlog": 0, "keys": 0}


# --- replication --------------------------------------------------------------------------------


@on_uvloop
async def test_replicas_are_told_of_by_both_sides(tmp_path: Path, server: Redis) -> None:
    args = ("--replicaof", f"{server.host} {server.port}", "--masterauth", PASSWORD)
    with Redis(tmp_path, args=args) as replica:
        async with asyncio.timeout(90):
            while True:
                seen = await probe(f"redis://{replica.host}:{replica.port}/0")
                if labelled(seen, names.REDIS_MASTER_LINK_UP) == {
                    (server.host, str(server.port)): 1
                }:
                    break
                await asyncio.sleep(0.1)
            # A replica is up for itself before its master has heard so.
            while True:
                master = await probe(url_of(server))
                if labelled(master, names.REDIS_SLAVE_LAG):
                    break
                await asyncio.sleep(0.1)
        assert value(master, names.REDIS_CONNECTED_SLAVES) == 1
        [(address, port, _)] = labelled(master, names.REDIS_SLAVE_OFFSET)
        assert (address, port) == (replica.host, str(replica.port))
        [labels] = labelled(seen, names.REDIS_INSTANCE_INFO)
        assert labels[0] == "slave"
        assert value(seen, names.REDIS_SLAVE_PRIORITY) == 100
        server.pause()
        server.resume()
    gone = await probe(url_of(server))
    assert value(gone, names.REDIS_CONNECTED_SLAVES) == 0
    assert labelled(gone, names.REDIS_SLAVE_OFFSET) == {}


# --- TLS ----------------------------------------------------------------------------------------


@on_uvloop
async def test_tls_with_an_own_authority(tmp_path: Path) -> None:
    files = Secured(tmp_path, wants_certificate=False)
    with Redis(tmp_path / "redis", args=files.args) as server:
        assert_up(await probe(files.url, ca_file=files.ca_file))
        assert_up(await probe(files.url, insecure_skip_verify=True))
        async with no_socket_or_task_left():
            unknown = await probe(files.url)
        assert (unknown.reason, value(unknown, names.REDIS_UP)) == (Reason.TLS, 0)
        other = await probe(files.url, ca_file=files.ca_file, server_name="other.example")
        assert other.reason is Reason.TLS
        plain = await probe(files.url.replace("rediss", "redis"))
        assert plain.success is False
        not_tls = await probe(f"rediss://{server.host}:{server.port}/0", ca_file=files.ca_file)
        assert not_tls.success is False
        async with no_socket_or_task_left():
            server.pause()
            hung = await probe(files.url, HANGS, ca_file=files.ca_file)
            server.resume()
        assert hung.reason is Reason.TIMEOUT
        async with (
            no_socket_or_task_left(),
            interfering(files.port, b"\x17\x03\x03", "swallow") as half,
        ):
            # It has shaken hands, and is silent from then on.
            url = files.url.replace(str(files.port), str(half))
            silent = await probe(url, HANGS, ca_file=files.ca_file)
        assert silent.reason is Reason.TIMEOUT


@on_uvloop
async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    files = Secured(tmp_path, wants_certificate=True)
    with Redis(tmp_path / "redis", args=files.args):
        assert_up(
            await probe(
                files.url,
                ca_file=files.ca_file,
                cert_file=files.client_cert,
                key_file=files.client_key,
            )
        )
        without = await probe(files.url, ca_file=files.ca_file)
        refused = await probe(
            files.url,
            ca_file=files.ca_file,
            cert_file=files.strange_cert,
            key_file=files.strange_key,
        )
    for result in (without, refused):
        assert result.success is False
        assert result.reason in (Reason.TLS, Reason.RESET)
