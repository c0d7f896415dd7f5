"""The simulated platform fails in the ways that a monitoring service must tell apart."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo import platform as demo_platform
from demo.platform import API_PATH, EXTRAS, Platform, SimulatedService, Traffic
from model import names

NAMES = ("auth-service", "minting-service", "notification-service", "queue-service")
DEADLINE = 30.0
# How long is looked at whether somebody who waits is not answered after all.
UNANSWERED = 0.2
LEAKED_BYTES = 32 << 20


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with Platform(NAMES) as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    # A probe opens a connection of its own; a kept-alive one would retry a reset unseen.
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def health(http: aiohttp.ClientSession, service: SimulatedService) -> tuple[int, str]:
    async with http.get(f"{service.url}/health") as response:
        body: dict[str, Any] = await response.json()
        return response.status, body["status"]


async def samples(http: aiohttp.ClientSession, service: SimulatedService) -> dict[str, float]:
    """Every metric of a service, added up over its labels."""
    async with http.get(f"{service.url}/metrics") as response:
        text = await response.text()
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


def tasks_besides_this_one() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


class TestMisuse:
    def test_a_name_given_twice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="named twice"):
            Platform(["auth-service", "auth-service"])

    async def test_a_service_has_no_url_before_start(self) -> None:
        with pytest.raises(RuntimeError, match="before it is started"):
            _ = SimulatedService("auth-service").url

    async def test_faults_of_the_socket_need_a_started_service(self) -> None:
        service = SimulatedService("auth-service")
        with pytest.raises(RuntimeError, match="not started"):
            await service.crash()
        with pytest.raises(RuntimeError, match="not started"):
            await service.repair()

    async def test_starting_twice_is_refused(self, platform: Platform) -> None:
        with pytest.raises(RuntimeError, match="already started"):
            await platform.services["auth-service"].start()

    async def test_impossible_faults_are_refused(self) -> None:
        service = SimulatedService("auth-service")
        with pytest.raises(ValueError, match="99"):
            service.fail(99)
        with pytest.raises(ValueError, match="600"):
            service.fail_requests(600)
        with pytest.raises(ValueError, match="negative"):
            service.delay(-1)

    async def test_a_queue_that_a_service_does_not_have_cannot_grow(self) -> None:
        with pytest.raises(ValueError, match="auth-service has no queue_size"):
            SimulatedService("auth-service").pile_up(names.QUEUE_SIZE, 10)

    async def test_a_taken_port_is_named_in_the_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo_platform, "BIND_SECONDS", 0.0)
        with socket.create_server((demo_platform.HOST, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match=f"auth-service cannot have .*:{port}"):
                await demo_platform._bind(port, "auth-service")

    async def test_stopping_what_never_started_does_nothing(self) -> None:
        await Platform(NAMES).stop()


class TestCrash:
    async def test_connections_are_refused(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        await service.crash()
        with pytest.raises(aiohttp.ClientConnectorError):
            await health(http, service)

    async def test_open_connections_are_dropped(self, platform: Platform) -> None:
        service = platform.services["auth-service"]
        service.hang()
        request = asyncio.create_task(_ask_once(service))
        await _until(lambda: service.health_requests == 1)
        await service.crash()
        with pytest.raises(ConnectionResetError):
            await request

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_connection_is_dropped_in_whichever_turn_of_the_loop_it_is_accepted(
        self, platform: Platform, turns: int
    ) -> None:
        service = platform.services["auth-service"]
        host, _, port = service.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), DEADLINE) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await service.crash()
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(client.recv, 1)

    async def test_the_port_stays_reserved(self, platform: Platform) -> None:
        service = platform.services["auth-service"]
        await service.crash()
        port = int(service.url.rpartition(":")[2])
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind((demo_platform.HOST, port))

    async def test_repair_listens_on_the_same_port(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        before = service.url
        for _ in range(20):
            await service.crash()
            await service.repair()
            assert await health(http, service) == (200, "healthy")
        assert service.url == before

    async def test_counters_start_again_after_a_crash_but_not_after_another_fault(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.advance(1000)
        service.fail()
        await service.repair()
        assert (await samples(http, service))["http_requests_total"] >= 4000
        await service.crash()
        await service.repair()
        assert (await samples(http, service))["http_requests_total"] < 4000

    async def test_crashing_twice_is_crashing_once(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        await asyncio.gather(service.crash(), service.crash())
        await service.repair()
        assert await health(http, service) == (200, "healthy")

    async def test_the_others_stay_up(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        await platform.services["auth-service"].crash()
        assert await health(http, platform.services["queue-service"]) == (200, "healthy")


class TestHang:
    async def test_a_connection_is_accepted_and_not_answered(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.hang()
        request = asyncio.create_task(health(http, service))
        await _until(lambda: service.health_requests == 1)
        await asyncio.sleep(UNANSWERED)
        assert not request.done()
        request.cancel()
        assert service.health_requests == 1

    async def test_repair_answers_who_still_waits(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.hang()
        request = asyncio.create_task(health(http, service))
        await _until(lambda: service.health_requests == 1)
        await service.repair()
        assert await request == (200, "healthy")

    async def test_a_client_that_leaves_takes_its_request_along(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        before = tasks_besides_this_one()
        service.hang()
        request = asyncio.create_task(health(http, service))
        await _until(lambda: service.health_requests == 1)
        request.cancel()
        await _until(lambda: tasks_besides_this_one() <= before)

    async def test_stop_leaves_no_task(self) -> None:
        platform = Platform(NAMES)
        before = tasks_besides_this_one()
        await platform.start()
        service = platform.services["auth-service"]
        service.hang()
        request = asyncio.create_task(_ask_once(service))
        await _until(lambda: service.health_requests == 1)
        await platform.stop()
        assert tasks_besides_this_one() <= before | {request}
        with pytest.raises(ConnectionResetError):
            await request


class TestUnhealthyAnswers:
    async def test_fail_answers_the_status(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail()
        assert await health(http, service) == (500, "unhealthy")
        service.fail(503)
        assert await health(http, service) == (503, "unhealthy")

    async def test_a_failing_service_still_shows_its_metrics(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail()
        assert "http_requests_total" in await samples(http, service)

    async def test_degraded_is_200(self, platform: Platform, http: aiohttp.ClientSession) -> None:
        service = platform.services["auth-service"]
        service.fail()
        service.degrade()
        assert await health(http, service) == (200, "degraded")

    async def test_delay_answers_late(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.delay(0.3)
        before = time.monotonic()
        assert await health(http, service) == (200, "healthy")
        assert time.monotonic() - before >= 0.3

    async def test_delay_and_degrade_add_up(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.delay(0.1)
        service.degrade()
        before = time.monotonic()
        assert await health(http, service) == (200, "degraded")
        assert time.monotonic() - before >= 0.1

    async def test_fail_once_resets_one_connection_and_no_more(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail_once()
        assert "http_requests_total" in await samples(http, service)
        # Without aiohttp, whose client asks once more on its own.
        with pytest.raises(ConnectionResetError):
            await _ask_once(service)
        assert (await _ask_once(service)).startswith(b"HTTP/1.1 200 ")
        assert service.health_requests == 2

    async def test_repair_clears_every_fault(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail(503)
        service.delay(60)
        service.fail_once()
        service.hang()
        await service.crash()
        await service.repair()
        assert await health(http, service) == (200, "healthy")


class TestHealthy:
    async def test_health_says_who_and_when(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["queue-service"]
        async with http.get(f"{service.url}/health") as response:
            body: dict[str, Any] = await response.json()
        assert set(body) == {"status", "service", "uptime", "timestamp"}
        assert body["service"] == "queue-service"
        assert body["uptime"] >= 0
        age = datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])
        assert timedelta(0) <= age + timedelta(milliseconds=1) < timedelta(seconds=DEADLINE)

    async def test_other_paths_and_methods_are_404(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        async with http.get(f"{service.url}/") as response:
            assert response.status == 404
        async with http.post(f"{service.url}/health") as response:
            assert response.status == 404
        assert service.health_requests == 0

    async def test_every_service_has_its_own_port(self, platform: Platform) -> None:
        assert len({service.url for service in platform.services.values()}) == len(NAMES)

    async def test_a_stopped_platform_starts_again(self, http: aiohttp.ClientSession) -> None:
        platform = Platform(NAMES)
        for _ in range(2):
            async with platform:
                assert await health(http, platform.services["auth-service"]) == (200, "healthy")


class TestMetrics:
    async def test_the_text_format_is_announced(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        async with http.get(f"{platform.services['auth-service'].url}/metrics") as response:
            assert response.headers["Content-Type"] == ("text/plain; version=0.0.4; charset=utf-8")

    async def test_no_created_samples(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        for service in platform.services.values():
            names = await samples(http, service)
            assert not [name for name in names if name.endswith("_created")]

    async def test_traffic_flows_by_itself(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        await _until(lambda: all(s._traffic.served for s in platform.services.values()))
        for service in platform.services.values():
            assert (await samples(http, service))["http_requests_total"] > 0

    async def test_a_hanging_service_serves_nobody(self, platform: Platform) -> None:
        service = platform.services["auth-service"]
        service.hang()
        served = service._traffic.served
        service.advance(100)
        assert service._traffic.served == served

    async def test_what_is_really_answered_is_counted(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail(503)
        for path in ("/health", "/health", "/nowhere"):
            async with http.get(f"{service.url}{path}") as response:
                await response.read()
        async with http.get(f"{service.url}/metrics") as response:
            text = await response.text()
        for labels, count in (
            ('method="GET",route="/health",status_code="503"', 2),
            ('method="GET",route="/health",status_code="200"', 0),
            ('method="GET",route="other",status_code="404"', 1),
        ):
            assert f"http_requests_total{{{labels}}} {count:.1f}" in text
            assert f"http_request_duration_seconds_count{{{labels}}} {count:.1f}" in text

    async def test_the_api_fails_while_the_service_is_well(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.fail_requests()
        async with http.get(f"{service.url}{API_PATH}") as response:
            assert response.status == 500
        assert await health(http, service) == (200, "healthy")
        async with http.get(f"{service.url}/metrics") as response:
            text = await response.text()
        labels = f'method="GET",route="{API_PATH}",status_code="500"'
        assert f"http_requests_total{{{labels}}} 1.0" in text
        await service.repair()
        async with http.get(f"{service.url}{API_PATH}") as response:
            assert response.status == 200

    async def test_a_process_is_measured_until_the_service_is_repaired(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.run_in(os.getpid())
        before = (await samples(http, service))[names.RESIDENT_MEMORY.name]
        taken = b"x" * LEAKED_BYTES
        after = (await samples(http, service))[names.RESIDENT_MEMORY.name]
        assert after - before > len(taken) / 2
        await service.repair()
        assert names.RESIDENT_MEMORY.name not in await samples(http, service)

    def test_a_process_that_is_gone_cannot_be_measured(self) -> None:
        with subprocess.Popen(["true"]) as ended:
            ended.wait()
        with pytest.raises(FileNotFoundError):
            SimulatedService("auth-service").run_in(ended.pid)

    async def test_a_family_can_be_lost_until_it_is_repaired(
        self, platform: Platform, http: aiohttp.ClientSession
    ) -> None:
        service = platform.services["auth-service"]
        service.lose(names.HTTP_REQUESTS)
        service.lose(names.HTTP_REQUEST_DURATION)
        assert await samples(http, service) == {}
        await service.repair()
        assert "http_requests_total" in await samples(http, service)

    @pytest.mark.parametrize(
        ("name", "metrics"),
        [
            ("queue-service", {"queue_size"}),
            ("minting-service", {"queue_size", "mints_total", "mints_failed_total"}),
            ("notification-service", {"notification_queue_depth"}),
            ("auth-service", set()),
        ],
    )
    async def test_some_services_expose_extras(
        self, platform: Platform, http: aiohttp.ClientSession, name: str, metrics: set[str]
    ) -> None:
        everywhere = {
            "http_requests_total",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_count",
            "http_request_duration_seconds_sum",
        }
        assert set(await samples(http, platform.services[name])) == everywhere | metrics


class TestTraffic:
    def test_the_same_time_gives_the_same_figures_in_any_steps(self) -> None:
        at_once, in_steps = Traffic(), Traffic()
        at_once.advance(300)
        for _ in range(1200):
            in_steps.advance(0.25)
        assert list(at_once.collect()) == list(in_steps.collect())

    def test_half_of_what_an_objective_of_three_nines_allows_fails(self) -> None:
        traffic = Traffic()
        traffic.advance(1000)
        (requests,) = (family for family in traffic.collect() if family.name == "http_requests")
        failed = sum(s.value for s in requests.samples if s.labels["status_code"] == "500")
        assert failed / sum(s.value for s in requests.samples) == 0.0005

    def test_buckets_are_cumulative_and_end_in_the_count(self) -> None:
        traffic = Traffic()
        traffic.advance(100)
        (durations,) = (f for f in traffic.collect() if f.type == "histogram")
        labels = {"method": "GET", "route": "/api/v1/items", "status_code": "200"}
        series = [s for s in durations.samples if labels.items() <= s.labels.items()]
        buckets = [s.value for s in series if s.name.endswith("_bucket")]
        (count,) = (s.value for s in series if s.name.endswith("_count"))
        assert buckets == sorted(buckets)
        assert buckets[-1] == count > 0

    def test_mints_grow_with_the_traffic_and_rarely_fail(self) -> None:
        traffic = Traffic(EXTRAS["minting-service"])
        traffic.advance(4000)
        values = {s.name: s.value for f in traffic.collect() for s in f.samples}
        assert 0 < values["mints_failed_total"] < values["mints_total"] / 100


async def _ask_once(service: SimulatedService) -> bytes:
    """The raw answer to one request to /health on a connection of its own."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is watched announces nothing
            await asyncio.sleep(0.005)
