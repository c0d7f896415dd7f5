"""`python -m bench.soak`: the exporter among targets that fail at random, for as long as asked.

Open files, memory and tasks must stay as they are, and every result must be accounted for.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import click

from bench.chaos import Chaos
from bench.ours import ROOT, Exporter, Targets
from bench.scraper import Scraper
from bench.soak_report import Outcome, Sample, document, verdicts
from bench.usage import cpu_model, resident_bytes
from demo.platform import Platform, SimulatedService
from programs import Postgres, Redis
from programs.server import Server

_INTERVAL, _TIMEOUT = 1.0, 0.8
_SERVICES = 21
_QUERY = "SELECT count(*) AS value FROM pg_stat_activity"
_SAMPLES = 60
# After the last fault all is well for so long, so that the end can be compared with the start.
_CALM = 8.0
_ANSWER_SECONDS = 5.0
# The start and the end are each the calmest of so many looks, so that a probe that happens to be
# under way, or waits for a busy machine, is no leak.
_LOOKS, _LOOK_SECONDS = 8, 0.3


@dataclass(frozen=True, slots=True)
class _Scene:
    exporter: Exporter
    services: Sequence[SimulatedService]
    # They refuse connections at times, and so do not see all requests.
    crashing: Sequence[SimulatedService]
    postgres: Postgres
    redis: Redis
    thread: ThreadPoolExecutor


async def soak(seconds: float, services: int, seed: int, directory: Path) -> Outcome:
    """Run for so long; what was seen."""
    async with _scene(services, directory) as scene:
        chaos = Chaos(
            scene.services, scene.crashing, (scene.postgres, scene.redis), scene.thread, seed
        )
        samples = [await _calmest(scene, 0.0)]
        started = time.monotonic()
        raging = asyncio.create_task(chaos.run(seconds - _CALM))
        pause = max(1.0, seconds / _SAMPLES)
        while (elapsed := time.monotonic() - started) < seconds:
            await asyncio.sleep(min(pause, seconds - elapsed))
            samples.append(await _sample(scene, time.monotonic() - started))
        await raging
        samples.append(await _calmest(scene, time.monotonic() - started))
        return Outcome(
            samples=samples,
            complaints=_complaints(scene.exporter.log),
            faults=chaos.faults,
            requests={each.name: each.health_requests for each in scene.services},
            crashing=frozenset(each.name for each in scene.crashing),
            connections=await _connections(scene),
        )


@asynccontextmanager
async def _scene(count: int, directory: Path) -> AsyncIterator[_Scene]:
    """All running; what was started is stopped in its own thread."""
    async with AsyncExitStack() as cleanup:
        thread = cleanup.enter_context(ThreadPoolExecutor(1, "servers"))
        # Every third is asked for a JSON document, as somebody else's.
        names = [f"service-{number}" for number in range(count - count // 3)]
        documents = [f"json-{number}" for number in range(count // 3)]
        platform = await cleanup.enter_async_context(Platform(names + documents))
        simulated = list(platform.services.values())
        postgres, redis = Postgres(), Redis(directory / "redis")
        for server in (postgres, redis):
            await _start(server, thread, cleanup)
        targets = Targets(
            _INTERVAL,
            _TIMEOUT,
            tuple(platform.services[name].url for name in names),
            (f"{postgres.dsn()}?sslmode=disable",),
            (f"{redis.url}/0",),
            tuple(f"{platform.services[name].url}/health" for name in documents),
            # Of services that refuse connections at times; a probe by TCP is no request.
            tuple(f"tcp://{urlsplit(one.url).netloc}" for one in simulated[1::2]),
            (_QUERY,),
        )
        exporter = Exporter(directory / "exporter", targets)
        await _start(exporter, thread, cleanup)
        await asyncio.to_thread(exporter.settle)
        yield _Scene(exporter, simulated, simulated[1::2], postgres, redis, thread)


async def _start(server: Server, thread: ThreadPoolExecutor, cleanup: AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()
    cleanup.push_async_callback(lambda: asyncio.wrap_future(thread.submit(server.close)))
    for step in (server.start, server.wait_ready):
        await loop.run_in_executor(thread, step)


async def _calmest(scene: _Scene, at: float) -> Sample:
    """The last of several looks, with the fewest files and tasks of all: a leak is in each."""
    looks = [await _sample(scene, at)]
    while len(looks) < _LOOKS:
        await asyncio.sleep(_LOOK_SECONDS)
        looks.append(await _sample(scene, at))
    return replace(
        looks[-1],
        files=min(look.files for look in looks),
        tasks=min(look.tasks for look in looks),
    )


def _complaints(log: Path) -> list[str]:
    """What the exporter has logged as an error, or without meaning to."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line[:300] for line in lines if not _is_expected(line)]


def _is_expected(line: str) -> bool:
    try:
        level = json.loads(line).get("level")
    except ValueError:
        return not line.strip()
    return level in ("debug", "info", "warning")


async def _sample(scene: _Scene, at: float) -> Sample:
    pid = scene.exporter.pid
    text = await asyncio.to_thread(_scrape, scene.exporter.port)
    values = dict(line.rpartition(" ")[::2] for line in text.splitlines() if line[:1] != "#")
    ended: dict[str, dict[str, int]] = {}
    for series, value in values.items():
        if series.startswith("monitoring_probes_total{"):
            labels = dict(part.split("=") for part in series.partition("{")[2][:-1].split(","))
            results = ended.setdefault(labels["target"].strip('"'), {})
            results[labels["result"].strip('"')] = int(value)
    return Sample(
        at=at,
        files=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        memory=resident_bytes(pid),
        tasks=int(float(values["monitoring_tasks"])),
        started=int(float(values["monitoring_probe_start_delay_seconds_count"])),
        in_flight=int(float(values["monitoring_probes_in_flight"])),
        errors=sum(
            int(float(value))
            for series, value in values.items()
            if series.startswith("monitoring_errors_total{")
        ),
        ended=ended,
    )


def _scrape(port: int) -> str:
    with Scraper(port) as scraper:
        return scraper.scrape()[1].decode()


async def _connections(scene: _Scene) -> dict[str, int]:
    """Connections that the databases still hold of ours; one may be of a probe under way."""
    loop = asyncio.get_running_loop()
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monitoring-service'"
    postgres = await loop.run_in_executor(scene.thread, scene.postgres.execute, query)
    redis = await loop.run_in_executor(scene.thread, _clients, scene.redis)
    return {"Postgres": int(postgres), "Redis": redis}


def _clients(redis: Redis) -> int:
    """How many clients are connected besides the one that asks."""
    with socket.create_connection((redis.host, redis.port), _ANSWER_SECONDS) as connection:
        connection.sendall(b"INFO clients\r\n")
        answer = connection.recv(4096).decode()
    return int(answer.partition("connected_clients:")[2].split()[0]) - 1


@click.command()
@click.option("--seconds", default=1800.0, help="How long.")
@click.option("--seed", default=1, help="Which faults, and when.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "soak.md",
    help="Where the document goes.",
)
def main(*, seconds: float, seed: int, output: Path) -> None:
    """Probe targets that fail at random; nothing may leak, nothing may get lost."""
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        outcome = asyncio.run(soak(seconds, _SERVICES, seed, Path(place)))
    output.write_text(document(outcome, seconds, cpu_model()), encoding="utf-8")
    for verdict in verdicts(outcome):
        click.echo(f"{'held  ' if verdict.held else 'FAILED'}  {verdict.what}: {verdict.figures}")
    click.echo(f"written to {output}")
    sys.exit(not all(verdict.held for verdict in verdicts(outcome)))


if __name__ == "__main__":
    main()
