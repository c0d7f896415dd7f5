"""How an HTTP prober uses connections: deadlines, cancelling, families, keeping them, names."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time

import pytest
from certificates import Authorities
from scripted_server import HEALTHY, Client, Script, probe, serving, value
from standins import until

from exporter.probers.http import HttpProber, Network
from exporter.probers.http.connection import Connection
from exporter.probers.http.resolve import Addresses, Resolver
from exporter.probers.http.response import Response
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.targets import Service

# Less than what lies between the first and the last of the deadlines that share a timer.
SLACK = 1.2
# For what answers, however busy the machine is.
AMPLE = 30.0


async def silent(client: Client) -> None:
    await client.closed()


async def healthy(client: Client) -> None:
    await client.answer()


def prober(url: str, network: Network | None = None, **settings: object) -> HttpProber:
    return HttpProber(Service(name="target", url=url, **settings), url, network)


# --- deadlines and cancelling ---------------------------------------------------------------------


async def test_each_probe_has_its_own_deadline() -> None:
    """Whichever is started first, and though they share a timer."""
    deadlines = [2.0, 0.5, 1.5, 1.0, 0.5]

    async def timed(url: str, network: Network, timeout: float) -> float:
        started = time.perf_counter()
        one = prober(url, network)
        result = await one.probe(timeout)
        await one.close()
        assert result.reason is Reason.TIMEOUT
        return time.perf_counter() - started

    async with serving(silent) as served:
        network = Network()
        took = await asyncio.gather(*(timed(served.url, network, each) for each in deadlines))
        network.close()
    for deadline, seconds in zip(deadlines, took, strict=True):
        assert deadline - 0.02 < seconds < deadline + SLACK


async def test_a_slow_target_does_not_delay_another() -> None:
    async with serving(silent) as slow, serving(healthy) as quick:
        network = Network()
        hanging = prober(slow.url, network)
        task = asyncio.create_task(hanging.probe(60))
        await asyncio.sleep(0)
        one = prober(quick.url, network)
        results = [await one.probe(AMPLE) for _ in range(20)]
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
        await hanging.close()
        await one.close()
        network.close()
    assert all(result.success for result in results)


async def test_no_time_left() -> None:
    async with serving(healthy) as served:
        result = await probe(served.url, timeout=0.0)
    assert not result.success


@pytest.mark.parametrize("when", [0.0, 0.05])
async def test_cancelling_closes_the_connection(when: float) -> None:
    gone = asyncio.Event()

    async def script(client: Client) -> None:
        await client.closed()
        gone.set()

    async with serving(script) as served:
        network = Network()
        one = prober(served.url, network)
        task = asyncio.create_task(one.probe(10))
        await asyncio.sleep(when)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(network.poller()) == 0
        if served.connections:
            async with asyncio.timeout(AMPLE):
                await gone.wait()
        await one.close()
        network.close()


async def test_many_at_once() -> None:
    async with serving(healthy) as served:
        network = Network()
        probers = [prober(served.url, network) for _ in range(200)]
        results = await asyncio.gather(*(one.probe(AMPLE) for one in probers))
        assert len(network.poller()) == 0
        for one in probers:
            await one.close()
        network.close()
    assert all(result.success for result in results)
    assert served.connections == 200


# --- families and names ---------------------------------------------------------------------------


def resolving(*addresses: tuple[str, int]) -> Network:
    """A network whose every name has these addresses."""

    def lookup(host: str, port: int, family: socket.AddressFamily) -> Addresses:
        found: list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]] = []
        for ip, its_port in addresses:
            if ":" in ip:
                found.append((socket.AF_INET6, (ip, its_port, 0, 0)))
            else:
                found.append((socket.AF_INET, (ip, its_port)))
        return tuple(one for one in found if family in (socket.AF_UNSPEC, one[0]))

    return Network(Resolver(lookup))


async def by_name(network: Network, timeout: float = AMPLE, **settings: object) -> ProbeResult:
    one = prober("http://somewhere.example", network, **settings)
    result = await one.probe(timeout)
    await one.close()
    network.close()
    return result


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")


@needs_ipv6
@pytest.mark.parametrize(("preferred", "protocol"), [("ip4", 4), ("ip6", 6)])
async def test_preferred_family_is_tried_first(preferred: str, protocol: int) -> None:
    async with serving(healthy) as four, serving(healthy, host="::1") as six:
        for order in (1, -1):
            network = resolving(*[("127.0.0.1", four.port), ("::1", six.port)][::order])
            result = await by_name(network, preferred_ip_protocol=preferred)
            assert result.success
            assert value(result, names.PROBE_IP_PROTOCOL) == protocol


@needs_ipv6
@pytest.mark.parametrize("fallback", [False, True])
async def test_other_family_if_the_preferred_one_refuses(fallback: bool) -> None:
    async with serving(healthy) as four:
        network = resolving(("::1", closed_port()), ("127.0.0.1", four.port))
        result = await by_name(network, preferred_ip_protocol="ip6", ip_protocol_fallback=fallback)
    assert result.reason is (None if fallback else Reason.CONNECT_REFUSED)
    assert value(result, names.PROBE_IP_PROTOCOL) == (4 if fallback else 6)


async def test_name_without_an_address_of_the_only_family() -> None:
    network = resolving(("127.0.0.1", 1))
    result = await by_name(network, preferred_ip_protocol="ip6", ip_protocol_fallback=False)
    assert result.reason is Reason.DNS


async def test_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with serving(healthy) as served:
            dead = ("127.0.0.1", full.getsockname()[1])
            result = await by_name(resolving(dead, ("127.0.0.1", served.port)), timeout=3.0)
        for one in waiting:
            one.close()
    assert result.success, result.detail
    assert result.duration < 3.0


async def test_target_that_answers_badly_is_not_asked_again_elsewhere() -> None:
    async def broken(client: Client) -> None:
        await client.answer(status=b"500 Oops")

    async with serving(broken) as first, serving(healthy) as second:
        network = resolving(("127.0.0.1", first.port), ("127.0.0.1", second.port))
        result = await by_name(network)
    assert result.reason is Reason.STATUS
    assert second.connections == 0


@needs_ipv6
async def test_ipv6_literal() -> None:
    async with serving(healthy, host="::1") as served:
        result = await probe(served.url)
    assert result.success, result.detail
    assert value(result, names.PROBE_IP_PROTOCOL) == 6
    assert f"Host: [::1]:{served.port}".encode() in served.requests[0]


async def test_look_ups_that_hang_delay_nobody_else() -> None:
    """Nor do they pile up: a name is looked up once at a time, however often it is asked for."""
    stuck = threading.Event()
    asked: list[str] = []

    def lookup(host: str, port: int, family: socket.AddressFamily) -> Addresses:
        asked.append(host)
        if host.startswith("dead"):
            stuck.wait()
        return ((socket.AF_INET, ("127.0.0.1", port)),)

    async with serving(healthy) as served:
        network = Network(Resolver(lookup))
        dead = [prober(f"http://dead{n % 10}.example", network) for n in range(20)]
        hanging = asyncio.gather(*(one.probe(0.3) for one in dead))
        await until(lambda: len(asked) == 10)
        alive = prober(f"http://alive.example:{served.port}", network)
        result = await alive.probe(AMPLE)
        assert result.success, result.detail
        assert {each.reason for each in await hanging} == {Reason.DNS}
        await asyncio.gather(*(one.probe(0.05) for one in dead))
        assert len(asked) == 11
        stuck.set()
        await asyncio.sleep(0.05)
        for one in [*dead, alive]:
            await one.close()
        network.close()


async def test_look_up_goes_on_after_who_asked_is_gone() -> None:
    stuck = threading.Event()

    def lookup(host: str, port: int, family: socket.AddressFamily) -> Addresses:
        stuck.wait()
        return ((socket.AF_INET, ("127.0.0.1", port)),)

    async with serving(healthy) as served:
        network = Network(Resolver(lookup))
        one = prober(f"http://slow.example:{served.port}", network)
        task = asyncio.create_task(one.probe(AMPLE))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = asyncio.create_task(one.probe(AMPLE))
        await asyncio.sleep(0.02)
        stuck.set()
        result = await again
        await one.close()
        network.close()
    assert result.success, result.detail


# --- keeping connections --------------------------------------------------------------------------


async def polite(client: Client) -> None:
    while True:
        await client.answer()


async def twice(client: Client) -> None:
    await client.answer()
    await client.answer()


async def says_close(client: Client) -> None:
    await client.answer(HEALTHY, b"Connection: close")


async def test_every_probe_has_a_new_connection_by_default() -> None:
    async with serving(polite) as served:
        one = prober(served.url)
        for _ in range(3):
            assert (await one.probe(AMPLE)).success
        await one.close()
    assert served.connections == 3


async def test_connection_is_kept_on_request() -> None:
    async with serving(polite) as served:
        one = prober(served.url, keep_alive=True)
        results = [await one.probe(AMPLE) for _ in range(5)]
        await one.close()
    assert all(result.success for result in results)
    assert served.connections == 1
    assert b"Connection: keep-alive" in served.requests[0]
    connects = [value(each, names.PROBE_HTTP_DURATION, "connect") for each in results]
    assert connects[0] != 0
    assert connects[1:] == [0, 0, 0, 0]


async def test_kept_connection_that_was_closed_is_replaced() -> None:
    async with serving(twice) as served:
        one = prober(served.url, keep_alive=True)
        results = []
        for _ in range(5):
            results.append(await one.probe(AMPLE))
            await asyncio.sleep(0.02)
        await one.close()
    assert all(result.success for result in results)
    assert served.connections == 3


async def test_target_that_does_not_want_to_keep_connections() -> None:
    async with serving(says_close) as served:
        one = prober(served.url, keep_alive=True)
        results = [await one.probe(AMPLE) for _ in range(3)]
        await one.close()
    assert all(result.success for result in results)
    assert served.connections == 3


async def test_target_that_dies_while_its_connection_is_kept() -> None:
    async with serving(twice) as served:
        one = prober(served.url, keep_alive=True)
        assert (await one.probe(AMPLE)).success
        assert (await one.probe(AMPLE)).success
    result = await one.probe(AMPLE)
    await one.close()
    assert result.reason is Reason.CONNECT_REFUSED


async def test_kept_connection_hangs() -> None:
    async def script(client: Client) -> None:
        await client.answer()
        await client.closed()

    async with serving(script) as served:
        one = prober(served.url, keep_alive=True)
        assert (await one.probe(AMPLE)).success
        result = await one.probe(0.2)
        assert (await one.probe(AMPLE)).success
        await one.close()
    assert result.reason is Reason.TIMEOUT


async def test_tls_connection_is_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    authorities = Authorities(tmp_path_factory.mktemp("certificates"))
    async with serving(twice, authorities.good()) as served:
        one = prober(served.url, keep_alive=True, ca_file=authorities.file)
        results = [await one.probe(AMPLE) for _ in range(4)]
        await one.close()
    assert all(result.success for result in results), results[-1].detail
    assert served.connections == 2
    for result in results:
        assert value(result, names.PROBE_HTTP_SSL) == 1
        assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) is not None
    assert value(results[1], names.PROBE_HTTP_DURATION, "tls") == 0


# --- memory ---------------------------------------------------------------------------------------


async def garbage(client: Client) -> None:
    await client.request()
    await client.send(b"garbage")


async def cut_off(client: Client) -> None:
    await client.request()
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def too_large(client: Client) -> None:
    await client.answer(b"x" * 2_000_000)


@pytest.mark.parametrize("script", [healthy, silent, garbage, cut_off, too_large])
async def test_a_probe_leaves_no_work_for_the_garbage_collector(script: Script) -> None:
    """Which would otherwise stop all probes for milliseconds, now and then."""
    async with serving(script) as served:
        one = prober(served.url)
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await one.probe(0.1)
            await asyncio.sleep(0)  # the loop itself holds the last one until this task is left
            left = [each for each in gc.get_objects() if isinstance(each, (Connection, Response))]
        finally:
            gc.enable()
        await one.close()
    assert left == []
