"""Rows (a) and (c): probing by HTTP as fast as it goes, with and without TLS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.ours import AGENT, ROOT
from bench.peers import Blackbox
from bench.rounds import Figures, Side, interleaved
from bench.saturate_ours import Done, Job
from bench.saturate_peer import saturate
from bench.scraper import Scraper
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import BenchError, Workshop

# So many probes at once keep both cores busy on either side.
_CONCURRENCY = 20
_WARM_UP = 0.5
_MICRO = 1e6


def plain(shop: Workshop) -> list[Row]:
    """(a): a new connection for each probe."""
    sides = _measured(shop, "plain", shop.nginx.urls, None)
    return [_row("a", "saturated, new connection: CPU per probe", 0.13, sides)]


def encrypted(shop: Workshop) -> list[Row]:
    """(c): a full TLS handshake for each probe."""
    sides = _measured(shop, "encrypted", shop.nginx.secure_urls, shop.nginx.ca_file)
    return [_row("c", "TLS, full handshake, saturated: CPU per probe", 0.80, sides)]


def _measured(
    shop: Workshop, place: str, urls: Sequence[str], ca_file: Path | None
) -> Mapping[str, Side]:
    plan = shop.plan.of(5, 6.0)
    with Blackbox(shop.place(place), shop.nginx.ca_file) as blackbox:
        return interleaved(
            plan,
            {
                "ours": lambda: _ours(shop, urls, ca_file, plan.seconds),
                "peer": lambda: _blackbox(shop, blackbox, urls, plan.seconds),
            },
        )


def _ours(shop: Workshop, urls: Sequence[str], ca_file: Path | None, seconds: float) -> Figures:
    job = Job(tuple(urls), _CONCURRENCY, seconds, _WARM_UP, str(ca_file) if ca_file else None)
    since = shop.nginx.position()
    finished = subprocess.run(
        [sys.executable, "-m", "bench.saturate_ours"],
        cwd=ROOT,
        input=job.json(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    done = Done(**json.loads(finished.stdout))
    if done.failures:
        raise BenchError(f"{done.failures} of our {done.connections} probes have failed")
    _check_log(shop, since, AGENT, done.connections, secure=ca_file is not None)
    return {
        "cpu": done.cpu / done.probes,
        "kernel": done.kernel / done.cpu,
        "rendering": done.rendering / done.probes,
        "series": done.series,
        "connections": done.connections,
    }


def _blackbox(shop: Workshop, blackbox: Blackbox, urls: Sequence[str], seconds: float) -> Figures:
    paths = [Blackbox.path(url) for url in urls]
    since = shop.nginx.position()
    warm = saturate(blackbox.port, paths, _CONCURRENCY, _WARM_UP)
    before = cpu_seconds(blackbox.pid)
    probes = saturate(blackbox.port, paths, _CONCURRENCY, seconds)
    cpu = cpu_seconds(blackbox.pid) - before
    _check_log(shop, since, Blackbox.agent, warm + probes, secure=urls[0].startswith("https"))
    with Scraper(blackbox.port, paths[0]) as scraper:
        _, page = scraper.scrape()
    if b"\nprobe_success 1\n" not in page:
        raise BenchError(f"blackbox_exporter's probe fails:\n{page.decode()}")
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    return {"cpu": cpu / probes, "series": series, "connections": warm + probes}


def _check_log(shop: Workshop, since: int, agent: str, probes: int, *, secure: bool) -> None:
    """That each probe was a connection of its own, by nginx's log."""
    shop.nginx.settle()
    seen = shop.nginx.connections(since, agent)
    if seen.new != probes or seen.requests != probes:
        raise BenchError(f"{agent}: {probes} probes, but nginx saw {seen}")
    if secure and seen.resumed:
        raise BenchError(f"{agent}: {seen.resumed} TLS sessions were resumed")


def _row(key: str, what: str, goal: float, sides: Mapping[str, Side]) -> Row:
    ours, peer = sides["ours"], sides["peer"]
    connections = {
        name: sum(int(figures["connections"]) for figures in (*side.kept, *side.disturbed))
        for name, side in sides.items()
    }
    return Row(
        key=key,
        what=what,
        unit="µs",
        ours=ours.spread("cpu").times(_MICRO),
        peer=peer.spread("cpu").times(_MICRO),
        most_ratio=goal,
        notes=(
            (
                f"{_CONCURRENCY} probes at once; ours is the prober and the rendering of its lines "
                "on uvloop in a process of its own, the peer's is /probe over kept connections."
            ),
            (
                f"{ours.spread('kernel').median:.0%} of our CPU time is the kernel's; rendering is "
                f"{ours.spread('rendering').times(_MICRO).median:.0f} µs a probe."
            ),
            (
                f"Series per target: {ours.spread('series').median:.0f} of ours (and 5 more that "
                f"the watch adds) against {peer.spread('series').median:.0f}."
            ),
            (
                f"New connections by nginx's log, as many as probes: {connections['ours']:,} of "
                f"ours, {connections['peer']:,} of the peer's."
            ),
        ),
    )
