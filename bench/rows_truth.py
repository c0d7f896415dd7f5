"""Row (t): how true the times are that are reported, while clients load the exporter's pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from bench import chains, ledger_load
from bench.chains import Chain, query
from bench.clients import loaded
from bench.delayed import DelayingServer
from bench.ours import Targets
from bench.rounds import DisturbedError, Figures, Plan, Side, interleaved
from bench.scraper import ScrapeError
from bench.table import Row
from bench.truth import DURATION, PHASES, Errors, Said, compare
from bench.workshop import Workshop, turn
from programs import Postgres, Prometheus

_PLAIN, _SECURE = 150, 50
_TARGETS = _PLAIN + _SECURE
# Of each page that is loaded.
_PER_SECOND = 20.0
# Results that a window may lack at its edges.
_TOLERANCE = 0.15
_MICRO = 1e6
_SHARES = {"p50": 0.5, "p99": 0.99}
_DURATION, _ENDED = "probe_duration_seconds", "monitoring_probe_last_result_timestamp_seconds"
_PHASE = "probe_http_duration_seconds"

_ABOUT = (
    f"{_TARGETS} targets at 1 s, {_SECURE} of them by TLS, on a server that delays each "
    "phase by a random time and notes by the kernel's stamps what it did; clients ask "
    f"for four pages of either exporter, each {_PER_SECOND:g} times a second (ours: "
    "/metrics, /health, /api/sd/services, /probe). What the server sees begins with the "
    "first bytes that arrive, so that connecting is part of the duration's error; of "
    "`tls` it does not see how long OpenSSL takes to make its first message in our "
    "process, 0.2 to 0.3 ms."
)
_ABOUT_LEDGER = (
    "As (t), while ours also keeps a ledger in Postgres: "
    f"{ledger_load.WEBHOOKS_PER_SECOND:g} webhooks a second bring new alerts, and the list of "
    f"active alerts is read {ledger_load.LISTS_PER_SECOND:g} times a second. The peer has nothing "
    "more to do than in (t)."
)


@dataclass(frozen=True, slots=True)
class _Reporter:
    """One side: its chain, the pages that its clients ask for, and how its results are read."""

    targets: int
    chain: Chain
    pages: Sequence[str]
    results: Callable[[Prometheus, float], Iterable[Said]]
    by_end: bool
    # What it has to do besides, for so many seconds.
    beside: Callable[[float], AbstractContextManager[object]] = nullcontext


def truth(shop: Workshop) -> list[Row]:
    """(t): the error of each phase and of the duration, at p50 and p99."""
    return _rows("t", measured(shop, shop.plan.of(5, 12.0), _PLAIN, _SECURE), _ABOUT)


def truth_with_ledger(shop: Workshop) -> list[Row]:
    """(t2): the same while alerts come in and their list is read."""
    sides = measured(shop, shop.plan.of(3, 12.0), _PLAIN, _SECURE, ledger=True)
    return _rows("t2", sides, _ABOUT_LEDGER)


def measured(
    shop: Workshop, plan: Plan, plain: int, secure: int, *, ledger: bool = False
) -> dict[str, Side]:
    """The figures of both sides, for so many targets by HTTP and by HTTPS, in seconds."""
    makers = {"ours": _ours_with_ledger if ledger else _ours, "peer": _peer}
    settle = 2.0 if shop.quick else 3.0
    with ExitStack() as running:
        server = running.enter_context(DelayingServer(shop.place("truth-server")))
        urls = server.urls(plain, secure)
        made = {name: make(shop, running, server, urls) for name, make in makers.items()}
        time.sleep(settle)
        for side in made.values():
            side.chain.pause()

        def measure(side: _Reporter) -> Callable[[], Figures]:
            return lambda: _figures(_measure(side, server, settle, plan.seconds))

        return interleaved(plan, {name: measure(side) for name, side in made.items()})


def _ours(
    shop: Workshop, running: ExitStack, server: DelayingServer, urls: tuple[str, ...]
) -> _Reporter:
    # One more than is measured: the one that the clients of /probe have probed.
    targets = Targets(1.0, 0.9, services=(*urls, f"{server.url}/more"), ca_file=str(server.ca_file))
    chain = chains.ours(shop, running, "truth", targets)
    asked = f"/probe?target=service-{len(urls)}"
    pages = ("/metrics", "/health", "/api/sd/services", asked)
    return _Reporter(len(urls), chain, pages, _results_of_ours, by_end=True)


def _peer(
    shop: Workshop, running: ExitStack, server: DelayingServer, urls: tuple[str, ...]
) -> _Reporter:
    chain = chains.peer(shop, running, "truth", urls, server.ca_file)
    asked = f"/probe?module=http&target={server.url}/more/health"
    pages = ("/metrics", "/-/healthy", "/config", asked)
    return _Reporter(len(urls), chain, pages, _results_of_peer, by_end=False)


def _ours_with_ledger(
    shop: Workshop, running: ExitStack, server: DelayingServer, urls: tuple[str, ...]
) -> _Reporter:
    store = running.enter_context(Postgres())
    targets = Targets(
        1.0,
        0.9,
        services=(*urls, f"{server.url}/more"),
        ca_file=str(server.ca_file),
        ledger=True,
    )
    chain = chains.ours(
        shop, running, "truth-ledger", targets, ledger_load.variables(DATABASE_URL=store.dsn())
    )
    asked = f"/probe?target=service-{len(urls)}"
    pages = ("/metrics", "/health", "/api/sd/services", asked)

    def beside(seconds: float) -> AbstractContextManager[object]:
        return ledger_load.busy(chain.exporter.port, seconds)

    return _Reporter(len(urls), chain, pages, _results_of_ours, by_end=True, beside=beside)


def _measure(side: _Reporter, server: DelayingServer, settle: float, seconds: float) -> Errors:
    chain = side.chain
    with turn(settle, chain.prometheus, chain.exporter):
        since = server.position()
        # A second before and after, so that the answers of all results in between are known.
        time.sleep(1.0)
        try:
            with (
                loaded(chain.exporter.port, side.pages, _PER_SECOND, seconds),
                side.beside(seconds),
            ):
                pass
        except ScrapeError as error:
            # /health is a 503 when probes time out: the machine is too busy to measure anything.
            raise DisturbedError(f"{chain.exporter.name}: {error}") from None
        time.sleep(1.0)
        known = {str(number) for number in range(side.targets)}
        said = [one for one in side.results(chain.prometheus, seconds) if one.target in known]
        errors = compare(said, server.truths(since), by_end=side.by_end)
    matched = len(errors.by_phase[DURATION])
    if abs(matched / (side.targets * seconds) - 1) > _TOLERANCE:
        raise DisturbedError(
            f"{chain.exporter.name}: {matched} results of {side.targets} targets in {seconds:g} s, "
            f"and {errors.unmatched} without an answer"
        )
    return errors


def _results_of_ours(prometheus: Prometheus, seconds: float) -> Iterable[Said]:
    """Each result once, however often it was scraped; it says itself when it ended."""
    ended = _samples(prometheus, _ENDED, "target", seconds)
    seen = set()
    for (target, scraped), times in _times(prometheus, "target", seconds).items():
        at = ended.get((target, scraped))
        if at is not None and (target, at) not in seen:
            seen.add((target, at))
            yield Said(target.rpartition("-")[2], at, times)


def _results_of_peer(prometheus: Prometheus, seconds: float) -> Iterable[Said]:
    """A probe begins when it is scraped."""
    for (url, scraped), times in _times(prometheus, "instance", seconds).items():
        yield Said(url.split("/")[3], scraped, times)


def _times(
    prometheus: Prometheus, label: str, seconds: float
) -> dict[tuple[str, float], dict[str, float]]:
    """The duration and all phases, by target and time of the scrape."""
    found = {
        key: {DURATION: value}
        for key, value in _samples(prometheus, _DURATION, label, seconds).items()
    }
    for phase in PHASES:
        selector = f'{_PHASE}{{phase="{phase}"}}'
        for key, value in _samples(prometheus, selector, label, seconds).items():
            if key in found:
                found[key][phase] = value
    return {key: times for key, times in found.items() if len(times) == 1 + len(PHASES)}


def _samples(
    prometheus: Prometheus, selector: str, label: str, seconds: float
) -> dict[tuple[str, float], float]:
    # Not the last second: the answers of what it shows may not be noted yet.
    series = query(prometheus, f"{selector}[{seconds:g}s] offset 1s")
    return {
        (one["metric"][label], float(at)): float(value)
        for one in series
        for at, value in one["values"]
    }


def _figures(errors: Errors) -> Figures:
    phases = (*PHASES, DURATION)
    quantiles = {
        f"{phase} {name}": errors.quantile(phase, share)
        for phase in phases
        for name, share in _SHARES.items()
    }
    means = {f"{phase} mean": errors.mean(phase) for phase in phases}
    return {**quantiles, **means, "results": len(errors.by_phase[DURATION])}


def _rows(key: str, sides: Mapping[str, Side], about: str) -> list[Row]:
    ours, peer = sides["ours"], sides["peer"]
    return [
        Row(
            key=key,
            what=f"error of the {_called(phase)}, {name}",
            unit="µs",
            ours=ours.spread(f"{phase} {name}").times(_MICRO),
            peer=peer.spread(f"{phase} {name}").times(_MICRO),
            most_ratio=1.0,
            notes=(about, _means(sides)) if (phase, name) == (DURATION, "p50") else (),
        )
        for phase in (DURATION, *PHASES)
        for name in _SHARES
    ]


def _called(phase: str) -> str:
    return f"phase {phase}" if phase in PHASES else phase


def _means(sides: Mapping[str, Side]) -> str:
    means = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{phase} {side.spread(f'{phase} mean').times(_MICRO).median:+.0f}"
            for phase in (DURATION, *PHASES)
        )
        for name, side in sides.items()
    )
    return f"Mean errors in µs: {means}."
