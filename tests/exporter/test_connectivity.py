"""Are many targets dead, or is it our own network? In a network of the test's own.

Addresses on the test's loopback device stand for whoever is elsewhere; taking one away makes it as
silent as a network that is gone.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from namespaces import Cabled, cabled, ip
from standins import StandIn, failure, redis_target, success, until

from exporter.connectivity import SILENT, Connectivity
from exporter.probers.http.resolve import Resolver
from exporter.probers.result import Reason
from exporter.references import Reference, answers, declared, found, is_own
from exporter.runner import Runner
from exporter.telemetry import Telemetry
from exporter.watch import Assignment

WITNESS, OTHER = "10.79.9.9", "10.79.9.10"
# Two silent rounds of at most a second each, their pauses, and a very busy machine.
SOON = 30.0
# Several rounds, in which nothing must happen.
LONG_ENOUGH = 4.0


@pytest.fixture(autouse=True)
def network(tmp_path: Path) -> Iterator[Cabled]:
    with cabled(tmp_path) as made:
        yield made


def present(address: str) -> None:
    ip("address", "add", f"{address}/32", "dev", "lo")


def gone(address: str) -> None:
    ip("address", "del", f"{address}/32", "dev", "lo")


class Watched:
    """A Connectivity at work, and what targets tell it."""

    def __init__(self, *, telemetry: Telemetry, connectivity: Connectivity) -> None:
        self.telemetry = telemetry
        self.connectivity = connectivity

    @property
    def isolated(self) -> bool:
        return self.connectivity.isolated_since is not None

    def silent(self, *hosts: str, reason: Reason = Reason.CONNECT_TIMEOUT) -> list[bool]:
        """These hosts' probes have failed; which of the results are withheld."""
        return [self.connectivity.ended(host, failure(reason)) for host in hosts]

    def answered(self, *hosts: str) -> list[bool]:
        return [self.connectivity.ended(host, success()) for host in hosts]

    def lines(self) -> list[str]:
        return [
            line
            for line in self.telemetry.text().decode().splitlines()
            if line.startswith("monitoring_connectivity")
        ]

    async def asked(self) -> None:
        """Wait until every reference has been asked once."""
        await until(lambda: len(self.lines()) > 1, SOON)


@asynccontextmanager
async def watching(*addresses: str, found: tuple[Reference, ...] = ()) -> AsyncIterator[Watched]:
    resolver, telemetry = Resolver(), Telemetry()
    made = Connectivity(resolver, telemetry, lambda: found)
    made.use(addresses, ("a", "b", "c", "127.0.0.1", "localhost"))
    task = asyncio.create_task(made.watch())
    try:
        yield Watched(telemetry=telemetry, connectivity=made)
    finally:
        task.cancel()
        resolver.close()


# --- the verdict --------------------------------------------------------------------------------


async def test_where_a_reference_answers_silent_targets_are_down() -> None:
    present(WITNESS)
    async with watching(f"{WITNESS}:9", f"{OTHER}:9") as watched:
        await watched.asked()
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline:
            assert watched.silent("a", "b", "c") == [False, False, False]
            await asyncio.sleep(0.2)
        assert not watched.isolated
        assert "monitoring_connectivity_up 1.0" in watched.lines()


async def test_where_everybody_is_silent_we_are_cut_off_and_results_are_withheld() -> None:
    present(WITNESS)
    async with watching(f"{WITNESS}:9") as watched:
        await watched.asked()
        watched.answered("a", "b", "c")
        gone(WITNESS)
        assert watched.silent("a", "b", "c") == [False, False, False]
        await until(lambda: watched.isolated, SOON)
        assert watched.silent("a", "b") == [True, True]
        assert watched.lines() == [
            "monitoring_connectivity_up 0.0",
            f'monitoring_connectivity_reference_up{{reference="{WITNESS}:9"}} 0.0',
        ]


async def test_a_failure_in_which_something_came_back_is_never_withheld() -> None:
    async with watching(f"{WITNESS}:9") as watched:
        watched.silent("a", "b")
        await until(lambda: watched.isolated, SOON)
        for reason in set(Reason) - SILENT:
            assert watched.silent("c", reason=reason) == [False]
        for reason in SILENT:
            assert watched.silent("a", reason=reason) == [True]


async def test_a_target_elsewhere_that_answers_proves_the_references_wrong() -> None:
    present(WITNESS)
    async with watching(f"{WITNESS}:9") as watched:
        await watched.asked()
        gone(WITNESS)
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline:
            watched.silent("a", "b")
            watched.answered("c")
            assert not watched.isolated
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("own", ["127.0.0.1", "localhost", WITNESS])
async def test_a_target_on_this_machine_proves_nothing(own: str) -> None:
    """The exporter's own service, above all."""
    present(WITNESS)
    async with watching(f"{OTHER}:9") as watched:
        deadline = time.monotonic() + SOON
        while not watched.isolated:
            assert time.monotonic() < deadline
            watched.silent("a", "b")
            watched.answered(own)
            await asyncio.sleep(0.1)
        # And it goes on answering, without any doubt arising.
        for _ in range(int(LONG_ENOUGH / 0.2)):
            assert watched.answered(own) == [False]
            assert watched.isolated
            await asyncio.sleep(0.2)


async def test_a_reference_that_has_never_answered_is_no_witness() -> None:
    """A gateway that answers nothing must not make an outage look like ours."""
    async with watching(f"{OTHER}:9") as watched:
        watched.answered("a")
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline:
            watched.silent("a", "b", "c")
            assert not watched.isolated
            await asyncio.sleep(0.2)


async def test_without_references_nothing_is_withheld() -> None:
    async with watching() as watched:
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline:
            assert watched.silent("a", "b", "c") == [False, False, False]
            assert not watched.isolated
            await asyncio.sleep(0.2)


async def test_silence_without_any_silent_target_is_no_isolation() -> None:
    async with watching(f"{OTHER}:9") as watched:
        await asyncio.sleep(LONG_ENOUGH)
        assert not watched.isolated


async def test_a_single_silent_host_has_to_be_so_for_longer() -> None:
    async with watching(f"{OTHER}:9") as watched:
        started = time.monotonic()
        watched.silent("a")
        await until(lambda: watched.isolated, SOON)
        assert time.monotonic() - started > 2


# --- and back -----------------------------------------------------------------------------------


async def test_it_is_over_when_a_reference_answers() -> None:
    async with watching(f"{WITNESS}:9") as watched:
        watched.silent("a", "b")
        await until(lambda: watched.isolated, SOON)
        present(WITNESS)
        await until(lambda: not watched.isolated, SOON)
        assert "monitoring_connectivity_up 1.0" in watched.lines()
        assert watched.silent("a") == [False]


async def test_it_is_over_when_a_target_elsewhere_answers() -> None:
    async with watching(f"{WITNESS}:9") as watched:
        watched.silent("a", "b")
        await until(lambda: watched.isolated, SOON)
        watched.answered("c")
        await until(lambda: not watched.isolated, SOON)


# --- what the runner makes of it ----------------------------------------------------------------


async def test_the_runner_withholds_what_it_found_out_just_before_too() -> None:
    telemetry, resolver = Telemetry(), Resolver()
    connectivity = Connectivity(resolver, telemetry, tuple)
    connectivity.use((f"{WITNESS}:9",), ("a", "b"))
    runner = Runner(telemetry, connectivity)
    probers = {name: StandIn(success) for name in ("a", "b", "hung")}
    assignments = [
        Assignment(redis_target(name), partial(probers.__getitem__, name), name, name)
        for name in probers
    ]

    def told() -> dict[str, set[str]]:
        return dict(zip(probers, map(set, runner.fragments()), strict=True))

    present(WITNESS)
    task = asyncio.create_task(connectivity.watch())
    try:
        await runner.watch(assignments)
        await until(lambda: all("probe_success" in lines for lines in told().values()), SOON)
        gone(WITNESS)
        probers["a"].answer = probers["b"].answer = lambda: failure(Reason.CONNECT_TIMEOUT)
        probers["hung"].answer = lambda: failure(Reason.TIMEOUT)
        await until(lambda: connectivity.isolated_since is not None, SOON)
        await until(lambda: all("probe_success" not in lines for lines in told().values()), SOON)
        assert all("monitoring_probe_withheld" in lines for lines in told().values())
        assert all("monitoring_probes_total" in lines for lines in told().values())
        assert all(shot.withheld and shot.result is None for shot in runner.snapshots())

        # What answers, if only with a refusal, is told.
        present(WITNESS)
        probers["a"].answer, probers["b"].answer = success, failure
        await until(lambda: "probe_success" in told()["a"] and "probe_success" in told()["b"], SOON)
        assert "monitoring_probe_withheld" not in told()["a"]
        assert not runner.snapshots()[0].withheld
    finally:
        task.cancel()
        await runner.stop()
        resolver.close()


# --- references ---------------------------------------------------------------------------------


async def test_a_refusal_is_an_answer_and_silence_is_none(network: Cabled) -> None:
    present(WITNESS)
    for reference in (
        Reference("address", WITNESS, 9),
        Reference("gateway", WITNESS),
        Reference("nameserver", WITNESS),
    ):
        assert await answers(reference, 5)
    gone(WITNESS)
    for kind in ("gateway", "nameserver", "address"):
        assert not await answers(Reference(kind, WITNESS, 9), 5)


async def test_who_swallows_everything_is_given_up_in_time(network: Cabled) -> None:
    ip("route", "add", f"{OTHER}/32", "via", "10.78.0.2")
    started = time.monotonic()
    assert not await answers(Reference("gateway", OTHER), 0.5)
    # The kernel itself would try for two minutes.
    assert time.monotonic() - started < SOON


async def test_a_name_server_is_asked_a_question_that_it_can_answer() -> None:
    present(WITNESS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((WITNESS, 53))
        server.setblocking(False)
        loop = asyncio.get_running_loop()

        async def serve() -> bytes:
            query, client = await loop.sock_recvfrom(server, 512)
            server.sendto(query[:2] + b"\x81\x05" + query[4:], client)  # REFUSED
            return query

        with socket.create_server((WITNESS, 53), backlog=0):
            asking = asyncio.create_task(answers(Reference("nameserver", WITNESS), 5))
            query = await serve()
            assert await asking
    # RFC 1035: one question, recursion desired; the root's name servers.
    assert query[2:] == b"\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"


def test_gateways_and_name_servers_are_found_and_our_own_left_out(tmp_path: Path) -> None:
    present(WITNESS)
    routes, servers = tmp_path / "route", tmp_path / "resolv.conf"
    routes.write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
        "cut\t0000\n"
    )
    servers.write_text(
        "# nameserver 192.0.2.1\nsearch example.org\nnameserver 127.0.0.11\n"
        f"nameserver {WITNESS}\nnameserver 192.0.2.53\nnameserver 192.0.2.54\nnameserver\n"
    )
    assert [str(one) for one in found(routes, servers)] == [
        "gateway 192.0.2.1",
        "nameserver 192.0.2.53",
    ]
    assert found(tmp_path / "none", tmp_path / "none") == ()


def test_an_unreadable_name_server_is_passed_over(tmp_path: Path) -> None:
    servers = tmp_path / "resolv.conf"
    servers.write_bytes(b"nameserver \xff\nnameserver one\nnameserver 2001:db8::53\n")
    assert [str(one) for one in found(tmp_path / "none", servers)] == ["nameserver [2001:db8::53]"]


def test_declared_addresses_are_ip_and_port() -> None:
    assert [str(one) for one in declared(("192.0.2.1:443", "[2001:db8::1]:53"))] == [
        "192.0.2.1:443",
        "[2001:db8::1]:53",
    ]


def test_which_addresses_are_this_machines() -> None:
    present(WITNESS)
    assert [is_own(one) for one in (WITNESS, "127.0.0.1", "127.0.1.7", "::1")] == [True] * 4
    assert [is_own(one) for one in (OTHER, "192.0.2.1", "10.78.0.2")] == [False] * 3
