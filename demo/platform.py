"""A simulated platform: one real HTTP server per service, and faults to set on each of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from demo.listener import accept_no_more
from model import names

HOST = "127.0.0.1"

REQUESTS_PER_SECOND = 4.0
# Half of what the objective of 99.9 % allows: a platform that is well spends no budget too fast.
REQUESTS_PER_ERROR = 2000
TICK_SECONDS = 0.25
BIND_SECONDS = 5.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
DROP_SECONDS = 5.0

# `service` is Prometheus' to add.
REQUEST_LABELS = tuple(label for label in names.HTTP_REQUESTS.labels if label != "service")
API_PATH = "/api/v1/items"
# What is really answered, besides the simulated traffic; any other path counts as one route.
REAL_ROUTES = ("/health", "/metrics", API_PATH)
OTHER_ROUTE = "other"
ROUTES = (
    ("GET", API_PATH, "200"),
    ("GET", "/api/v1/items/:id", "200"),
    ("POST", "/api/v1/items", "201"),
)
# Seven durations and three routes share no factor, so every route sees every duration.
DURATIONS_SECONDS = (0.004, 0.009, 0.012, 0.018, 0.035, 0.07, 0.16)
BUCKETS_SECONDS = names.HTTP_REQUEST_DURATION.buckets


@dataclass(frozen=True)
class Extra:
    """One series that only some services expose; its value follows the requests served so far."""

    metric: names.Metric
    value: Callable[[int], float]
    labels: Mapping[str, str] = field(default_factory=dict)


def _queue_size(queue_name: str, least: int, period: int) -> Extra:
    return Extra(
        metric=names.QUEUE_SIZE,
        value=lambda served: least + served % period,
        labels=MappingProxyType({"queue_name": queue_name}),
    )


EXTRAS: Mapping[str, tuple[Extra, ...]] = MappingProxyType(
    {
        "queue-service": (_queue_size("default", 20, 30), _queue_size("webhooks", 5, 12)),
        "minting-service": (
            _queue_size("mints", 10, 20),
            Extra(names.MINTS, lambda served: served // 8),
            Extra(names.MINTS_FAILED, lambda served: served // 1600),
        ),
        "order-service": (Extra(names.QUEUE_DEPTH, lambda served: 8 + served % 15),),
        "notification-service": (
            Extra(names.NOTIFICATION_QUEUE_DEPTH, lambda served: 3 + served % 9),
        ),
    }
)


@dataclass
class _RequestSeries:
    bucket_counts: list[int] = field(default_factory=lambda: [0] * len(BUCKETS_SECONDS))
    count: int = 0
    total_seconds: float = 0.0

    def observe(self, seconds: float) -> None:
        self.count += 1
        self.total_seconds += seconds
        for position, bound in enumerate(BUCKETS_SECONDS):
            self.bucket_counts[position] += seconds <= bound

    def buckets(self) -> list[tuple[str, float]]:
        bounds = [str(bound) for bound in BUCKETS_SECONDS]
        return [*zip(bounds, map(float, self.bucket_counts), strict=True), ("+Inf", self.count)]


class Traffic(Collector):
    """What one service has served since it started, as the metric families of `GET /metrics`.

    Requests that were really answered are counted with those of simulated users. Of the latter the
    n-th always takes the same route, the same time and the same outcome, so two runs of the demo
    show the same figures; one in `REQUESTS_PER_ERROR` ends in a 500.
    """

    def __init__(self, extras: Iterable[Extra] = ()) -> None:
        self.served = 0
        # Families that are left out, by their names without `_total`.
        self.lost: frozenset[str] = frozenset()
        # What comes on top of what each of these metrics would be.
        self.piled_up: Mapping[str, float] = MappingProxyType({})
        # The process whose memory is told as the service's own.
        self.process: int | None = None
        self._due = 0.0
        self._extras = tuple(extras)
        # Every series exists from the start: a rate over a series born at 1 misses that 1.
        self._series = {
            (method, route, outcome): _RequestSeries()
            for method, route, status_code in ROUTES
            for outcome in (status_code, "500")
        } | {("GET", route, "200"): _RequestSeries() for route in REAL_ROUTES}

    def advance(self, seconds: float) -> None:
        """Serve the requests that fall due in the next so many seconds."""
        self._due += seconds * REQUESTS_PER_SECOND
        while self._due >= 1:
            self._due -= 1
            self._serve_one()

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request that was really answered; its labels are bounded."""
        route = path if path in REAL_ROUTES else OTHER_ROUTE
        labels = (method if method == "GET" else OTHER_ROUTE, route, str(status))
        self._series.setdefault(labels, _RequestSeries()).observe(seconds)

    def _serve_one(self) -> None:
        method, route, status_code = ROUTES[self.served % len(ROUTES)]
        seconds = DURATIONS_SECONDS[self.served % len(DURATIONS_SECONDS)]
        self.served += 1
        outcome = "500" if self.served % REQUESTS_PER_ERROR == 0 else status_code
        self._series[method, route, outcome].observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The families; built from plain numbers, so that no `_created` sample comes along."""
        return (family for family in self._families() if family.name not in self.lost)

    def _families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            names.HTTP_REQUESTS.name, names.HTTP_REQUESTS.help, labels=REQUEST_LABELS
        )
        durations = HistogramMetricFamily(
            names.HTTP_REQUEST_DURATION.name,
            names.HTTP_REQUEST_DURATION.help,
            labels=REQUEST_LABELS,
        )
        for labels, series in self._series.items():
            requests.add_metric(labels, series.count)
            durations.add_metric(labels, series.buckets(), series.total_seconds)
        yield requests
        yield durations
        yield from self._extra_families()
        yield from self._process_families()

    def _extra_families(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for extra in self._extras:
            name = extra.metric.name
            family = families.setdefault(name, _family(extra))
            value = extra.value(self.served) + self.piled_up.get(name, 0)
            family.add_sample(name, dict(extra.labels), value)
        yield from families.values()

    def _process_families(self) -> Iterator[Metric]:
        if self.process is None:
            return
        metric = names.RESIDENT_MEMORY
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        yield GaugeMetricFamily(metric.name, metric.help, value=pages * PAGE_BYTES)


def _family(extra: Extra) -> Metric:
    metric = extra.metric
    counts = metric.type is names.MetricType.COUNTER
    kind = CounterMetricFamily if counts else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=tuple(extra.labels))


@dataclass(frozen=True)
class _Behaviour:
    status_code: int = 200
    status: str = "healthy"
    delay_seconds: float = 0.0
    fails_once: bool = False
    api_status_code: int = 200


class SimulatedService:
    """One service: a listening socket of its own, `/health`, `/metrics`, and faults.

    Faults add up until `repair` clears them all. `crash`, `hang` and `delay` concern every
    request; `fail`, `degrade` and `fail_once` concern `/health` only, `fail_requests` the API only,
    `lose`, `pile_up` and `run_in` `/metrics` only.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.health_requests = 0
        self._traffic = Traffic()
        self._registry = CollectorRegistry()
        self._started_at = 0.0
        self._behaviour = _Behaviour()
        self._hang: asyncio.Event | None = None
        self._socket: socket.socket | None = None
        self._port: int | None = None
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None
        # Two callers may crash and repair at the same moment; the socket has one owner at a time.
        self._lock = asyncio.Lock()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash. RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError(f"{self.name} has no address before it is started")
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen on a free port. RuntimeError if already started, OSError if no port is free."""
        async with self._lock:
            if self._socket is not None:
                raise RuntimeError(f"{self.name} is already started")
            self._socket = await _bind(0, self.name)
            self._port = self._socket.getsockname()[1]
            await self._listen(self._socket)

    async def stop(self) -> None:
        """Close every socket and end every request; does nothing when not started."""
        async with self._lock:
            await self._close()
            if self._socket is not None:
                self._socket.close()
            self._socket = None
            self._port = None
            self._clear_faults()

    async def crash(self) -> None:
        """Refuse connections and drop the open ones, as when the process died.

        OSError if the port cannot be held within `BIND_SECONDS`, RuntimeError before `start`.
        """
        async with self._lock:
            if self._socket is None or self._port is None:
                raise RuntimeError(f"{self.name} is not started")
            if self._listener is None:
                return
            await self._close()
            self._socket.close()
            # Bound but not listening: connections are refused, and nobody else gets the port,
            # not even a client whose own port is chosen at random.
            self._socket = await _bind(self._port, self.name)

    def hang(self) -> None:
        """Accept connections and answer nothing until repaired."""
        self._hang = self._hang or asyncio.Event()

    def fail(self, status: int = 500) -> None:
        """Answer `/health` with this HTTP status and `unhealthy`. ValueError outside 200..599."""
        _require_final(status)
        self._behaviour = replace(self._behaviour, status_code=status, status="unhealthy")

    def fail_requests(self, status: int = 500) -> None:
        """Answer the API with this HTTP status, and be well otherwise. ValueError as of `fail`."""
        _require_final(status)
        self._behaviour = replace(self._behaviour, api_status_code=status)

    def degrade(self) -> None:
        """Answer `/health` with 200 and `degraded`."""
        self._behaviour = replace(self._behaviour, status_code=200, status="degraded")

    def delay(self, seconds: float) -> None:
        """Answer every request this many seconds late. ValueError if negative."""
        if seconds < 0:
            raise ValueError(f"a delay cannot be negative: {seconds}")
        self._behaviour = replace(self._behaviour, delay_seconds=seconds)

    def fail_once(self) -> None:
        """Reset the connection of the next request to `/health`, then be well again.

        Clients that retry a GET by themselves, as aiohttp's does once, hide this from their users.
        """
        self._behaviour = replace(self._behaviour, fails_once=True)

    def lose(self, metric: names.Metric) -> None:
        """Leave a family out of `/metrics`, as a version of the service that lacks it does."""
        self._traffic.lost |= {metric.name.removesuffix("_total")}

    def pile_up(self, metric: names.Metric, jobs: int) -> None:
        """Let so many jobs wait on top of those that do. ValueError if it has no such queue."""
        if metric not in (extra.metric for extra in EXTRAS.get(self.name, ())):
            raise ValueError(f"{self.name} has no {metric.name}")
        self._traffic.piled_up = {**self._traffic.piled_up, metric.name: jobs}

    def run_in(self, process: int) -> None:
        """Tell the resident memory of this process as its own. FileNotFoundError if it is gone."""
        os.stat(f"/proc/{process}")  # noqa: PTH116 - only whether it is there
        self._traffic.process = process

    async def repair(self) -> None:
        """Clear every fault; after a crash, listen on the same port with counters from zero.

        RuntimeError before `start`, OSError if the port cannot be listened on.
        """
        async with self._lock:
            if self._socket is None:
                raise RuntimeError(f"{self.name} is not started")
            self._clear_faults()
            if self._listener is None:
                await self._listen(self._socket)

    def advance(self, seconds: float) -> None:
        """Let this many seconds of traffic pass; none while crashed or hanging."""
        if self._listener is not None and self._hang is None:
            self._traffic.advance(seconds)

    def _clear_faults(self) -> None:
        self._behaviour = _Behaviour()
        self._traffic.lost = frozenset()
        self._traffic.piled_up = {}
        self._traffic.process = None
        if self._hang is not None:
            self._hang.set()
        self._hang = None

    async def _listen(self, bound: socket.socket) -> None:
        self._traffic = Traffic(EXTRAS.get(self.name, ()))
        self._registry = CollectorRegistry()
        self._registry.register(self._traffic)
        self._started_at = time.monotonic()
        # A request that hangs must end when its client goes away.
        self._web = web.Server(self._answer, handler_cancellation=True, access_log=None)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._web, sock=bound)

    async def _close(self) -> None:
        if self._listener is None or self._web is None:
            return
        listener, self._listener = self._listener, None
        await accept_no_more(listener)
        listener.close()
        await _drop_connections(self._web)
        await listener.wait_closed()
        self._web = None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path if request.method == "GET" else None
        self.health_requests += path == "/health"
        started = time.perf_counter()
        while self._hang is not None:
            await self._hang.wait()
        await asyncio.sleep(self._behaviour.delay_seconds)
        answer = self._answer_to(request, path)
        took = time.perf_counter() - started
        self._traffic.count(request.method, request.path, answer.status, took)
        return answer

    def _answer_to(self, request: web.BaseRequest, path: str | None) -> web.Response:
        if path == "/health":
            return self._health(request)
        if path == "/metrics":
            return self._metrics()
        if path == API_PATH:
            return web.json_response([], status=self._behaviour.api_status_code)
        return web.json_response({"error": "Not found"}, status=404)

    def _health(self, request: web.BaseRequest) -> web.Response:
        behaviour = self._behaviour
        if behaviour.fails_once:
            self._behaviour = replace(behaviour, fails_once=False)
            _reset(request.transport)
        body = {
            "status": behaviour.status,
            "service": self.name,
            "uptime": round(time.monotonic() - self._started_at, 3),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return web.json_response(body, status=behaviour.status_code)

    def _metrics(self) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
        )


class Platform:
    """The services of these names, each on a free port, with steady simulated traffic.

    ValueError if a name is given twice.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(set(names)) != len(names):
            raise ValueError(f"a service is named twice: {', '.join(sorted(names))}")
        self.services: Mapping[str, SimulatedService] = MappingProxyType(
            {name: SimulatedService(name) for name in names}
        )
        self._traffic: asyncio.Task[None] | None = None

    def urls(self) -> dict[str, str]:
        """Where each service is, by its name. RuntimeError before `start`."""
        return {name: service.url for name, service in self.services.items()}

    async def start(self) -> None:
        """Start every service and the traffic; on an error nothing stays open."""
        try:
            for service in self.services.values():
                await service.start()
        except BaseException:
            await self.stop()
            raise
        self._traffic = asyncio.create_task(self._run_traffic(), name="simulated traffic")

    async def stop(self) -> None:
        """Stop the traffic and every service; raises what ended the traffic early, if anything."""
        traffic, self._traffic = self._traffic, None
        if traffic is not None:
            traffic.cancel()
        for service in self.services.values():
            await service.stop()
        if traffic is not None:
            await asyncio.wait([traffic])
            if not traffic.cancelled():
                traffic.result()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def _run_traffic(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for service in self.services.values():
                service.advance(now - before)
            before = now


def _require_final(status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"not a final HTTP status: {status}")


async def _bind(port: int, name: str) -> socket.socket:
    deadline = time.monotonic() + BIND_SECONDS
    while True:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, port))
        except OSError as error:
            bound.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise OSError(
                    error.errno, f"{name} cannot have {HOST}:{port}: {error.strerror}"
                ) from error
        else:
            return bound
        await asyncio.sleep(0.1)


def _reset(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    peer = transport.get_extra_info("socket")
    # The other side may have gone already; then there is nothing to reset.
    with contextlib.suppress(OSError):
        # Lingering for 0 s makes the kernel send RST, and leaves no TIME_WAIT on the port.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _drop_connections(server: web.Server) -> None:
    async with asyncio.timeout(DROP_SECONDS):
        while connections := server.connections:
            for connection in connections:
                _reset(connection.transport)
            await asyncio.sleep(0)
