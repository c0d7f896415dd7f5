"""A second one of what watches, so that the first can tell what is wrong with it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from demo.stack import Stack, exporter_environment, start_exporter, stop, wait_answering
from model.jobs import JOB, PROMETHEUS_JOB
from programs import Prometheus, free_port
from programs.process import HOST

Document = dict[str, Any]

_ALWAYS = {"groups": [{"name": "always", "rules": [{"alert": "Always", "expr": "vector(1)"}]}]}


class Exporter:
    """An exporter of the stack's config on a port of its own, which can be stopped and started."""

    def __init__(self, stack: Stack, log: Path, port: int, inside: Sequence[str]) -> None:
        # The ledger is the first one's: a file has room for one.
        self._environment = {
            **exporter_environment(stack.config, port, None),
            "LEDGER": "off",
        }
        self._log = log
        self._port = port
        self._inside = inside
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises StackError with what it printed."""
        self._process = start_exporter(self._environment, self._log, self._inside)
        async with aiohttp.ClientSession() as session:
            url = f"http://{HOST}:{self._port}"
            await wait_answering(session, self._process, url, self._log)

    def stop(self) -> None:
        """End it; nothing happens if it does not run."""
        if self._process is not None:
            stop(self._process)
        self._process = None


@asynccontextmanager
async def prometheus(
    stack: Stack, instance: str, alerting: Mapping[str, Any]
) -> AsyncIterator[Prometheus]:
    """A second Prometheus, which the first scrapes; it sends an alert a second to whom it knows."""
    directory = stack.directory / instance
    config = directory / "prometheus.yml"
    write(directory / "always.rules.yml", _ALWAYS)
    evaluation = {"evaluation_interval": "1s"}
    write(config, {"global": evaluation, "rule_files": ["*.rules.yml"], "alerting": alerting})
    second = Prometheus(directory, config, args=("--rules.alert.resend-delay=1s",))
    second.start()
    try:
        await asyncio.to_thread(second.wait_ready)
        async with scraped(stack, PROMETHEUS_JOB, instance, host_port(second.url)):
            yield second
    finally:
        await asyncio.to_thread(second.close)


@asynccontextmanager
async def exporter(
    stack: Stack, instance: str, inside: Sequence[str] = ()
) -> AsyncIterator[Exporter]:
    """A second exporter, which Prometheus scrapes; `inside` is a command that starts it."""
    port = free_port()
    second = Exporter(stack, stack.directory / f"{instance}.log", port, inside)
    await second.start()
    try:
        async with scraped(stack, JOB, instance, f"{HOST}:{port}"):
            yield second
    finally:
        await asyncio.to_thread(second.stop)


@asynccontextmanager
async def scraped(stack: Stack, job: str, instance: str, address: str) -> AsyncIterator[None]:
    """Prometheus scrapes one more address in a job, as this instance, and has reached it once."""
    target = {"targets": [address], "labels": {"instance": instance}}
    async with changed(stack, lambda document: _targets(document, job).append(target)):
        await stack.api.until(f'up{{instance="{instance}"}} == 1')
        yield


@asynccontextmanager
async def changed(stack: Stack, change: Callable[[Document], None]) -> AsyncIterator[None]:
    """Prometheus runs with another prometheus.yml than was generated."""
    path = stack.prometheus.config
    before = path.read_text(encoding="utf-8")
    document = yaml.safe_load(before)
    change(document)
    write(path, document)
    await asyncio.to_thread(stack.prometheus.reload)
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        await asyncio.to_thread(stack.prometheus.reload)


def write(path: Path, document: Document) -> None:
    """Write a config of Prometheus or Alertmanager."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def host_port(url: str) -> str:
    """What Prometheus calls the instance at a URL."""
    return url.removeprefix("http://")


def _targets(document: Document, job: str) -> list[Document]:
    found = next(one for one in document["scrape_configs"] if one["job_name"] == job)
    targets: list[Document] = found["static_configs"]
    return targets
