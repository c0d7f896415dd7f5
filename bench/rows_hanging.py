"""Row (g): how soon /metrics answers while all targets hang."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench.ours import Exporter, Targets
from bench.peers import Blackbox
from bench.rounds import Figures, Side, interleaved
from bench.saturate_peer import saturate
from bench.scraper import Scraper, paced
from bench.table import Row
from bench.workshop import BenchError, Workshop, turn
from programs.process import HOST
from programs.server import Server

_TARGETS = 21
_BACKLOG = 4096
_TIMEOUT = 3.0
_PER_SECOND = 20.0
_MILLI = 1e3


def hanging(shop: Workshop) -> list[Row]:
    """(g): p50 of the time that a scrape takes, plain and compressed."""
    plan = shop.plan.of(5, 6.0)
    with ExitStack() as running:
        urls = running.enter_context(_silent(_TARGETS))
        targets = Targets(_TIMEOUT + 0.1, _TIMEOUT, services=tuple(urls))
        exporter = running.enter_context(Exporter(shop.place("hanging-exporter"), targets))
        blackbox = running.enter_context(
            Blackbox(shop.place("hanging-blackbox"), shop.nginx.ca_file)
        )
        exporter.settle()
        _check_failing(exporter)
        exporter.pause()

        def ours() -> Figures:
            with turn(_TIMEOUT, exporter):
                return _measure(exporter, plan.seconds)

        def peer() -> Figures:
            paths = [Blackbox.path(url) for url in urls]
            asking = threading.Thread(
                target=saturate, args=(blackbox.port, paths, _TARGETS, plan.seconds)
            )
            asking.start()
            try:
                return _measure(blackbox, plan.seconds)
            finally:
                asking.join()

        sides = interleaved(plan, {"ours": ours, "peer": peer})
    return _rows(sides)


def _measure(server: Server, seconds: float) -> Figures:
    figures = {}
    for name, compressed in (("plain", False), ("compressed", True)):
        with Scraper(server.port, compressed=compressed) as scraper:
            end, took = time.monotonic() + seconds / 2, []
            while time.monotonic() < end:
                took.append(scraper.scrape()[0])
            figures[name] = statistics.median(took)
            figures[f"{name}, paced"] = statistics.median(paced(scraper, _PER_SECOND, 1.0))
            figures["bytes"] = len(scraper.scrape()[1])
    return figures


def _check_failing(exporter: Exporter) -> None:
    with Scraper(exporter.port) as scraper:
        text = scraper.scrape()[1]
    if text.count(b'reason="timeout"') != _TARGETS:
        raise BenchError(f"not all of {_TARGETS} targets hang:\n{text.decode()[:2000]}")


@contextmanager
def _silent(count: int) -> Iterator[list[str]]:
    """Ports on which the kernel takes connections that nobody will ever answer."""
    with ExitStack() as held:
        urls = []
        for _ in range(count):
            sock = held.enter_context(socket.socket())
            sock.bind((HOST, 0))
            sock.listen(_BACKLOG)
            urls.append(f"http://{HOST}:{sock.getsockname()[1]}")
        yield urls


def _rows(sides: Mapping[str, Side]) -> list[Row]:
    ours, peer = sides["ours"], sides["peer"]
    size = ours.spread("bytes").median
    idle = " and ".join(
        f"{side.spread('plain, paced').times(_MILLI).median:.2f} ms ({name})"
        for name, side in sides.items()
    )
    return [
        Row(
            key="g",
            what=f"/metrics, {_TARGETS} targets, all hanging: p50, {name}",
            unit="ms",
            ours=ours.spread(name).times(_MILLI),
            peer=peer.spread(name).times(_MILLI),
            most=0.5,
            notes=(
                (
                    "As a client sees it that scrapes one after another over a kept connection; "
                    f"{_PER_SECOND:g} times a second, from idle, it is {idle}. "
                    f"{size:,.0f} bytes of ours. The peer is blackbox_exporter's "
                    "/metrics (of itself alone) while 21 /probe hang."
                ),
            )
            * (name == "plain"),
        )
        for name in ("plain", "compressed")
    ]
