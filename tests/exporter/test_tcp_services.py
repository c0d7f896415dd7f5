"""Services that speak no HTTP: declared, probed and shown; and how little a new kind takes.

What the prober makes of a conversation is in tests/probers/test_tcp.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from serving import AMPLE_TIMES, TIMES, Served, config_text, serving
from standins import until

from exporter.probers import PROBERS
from exporter.probers.http.network import Network
from exporter.probers.result import Health, ProbeResult
from model.targets import Target, TcpService


def with_tcp(url: str, settings: str = "", times: str = AMPLE_TIMES) -> str:
    declared = f'tcp=(TcpService(name="smtp", url="{url}", {settings}{times}),),'
    return config_text("own-service", databases=declared)


@asynccontextmanager
async def greeting(text: bytes) -> AsyncIterator[int]:
    """A server that greets whoever connects; its port."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def told(served: Served) -> tuple[list[str], dict[str, Any]]:
    """The lines of /metrics about the service, and what /health says of it."""
    await until(lambda: all(shot.result for shot in served.service.runner.snapshots()), 60)
    text = await (await served.client.get("/metrics")).text()
    body = await (await served.client.get("/health")).json()
    [shown] = [one for one in body["services"] if one["service"] == "smtp"]
    return [line for line in text.splitlines() if 'target="smtp"' in line], shown


# --- probed and shown ---------------------------------------------------------------------------


async def test_a_closed_port_is_down_and_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path, text=with_tcp("tcp://127.0.0.1:1")) as served:
        lines, shown = await told(served)
    assert 'probe_success{target="smtp",kind="tcp"} 0' in lines
    failed = 'monitoring_probe_failure_reason{target="smtp",kind="tcp",reason="connect_refused"} 1'
    assert failed in lines
    assert (shown["status"], shown["details"]["reason"]) == ("unhealthy", "connect_refused")


async def test_a_service_that_says_something_else_is_down(tmp_path: Path) -> None:
    async with greeting(b"554 no\r\n") as port:
        text = with_tcp(f"tcp://127.0.0.1:{port}", 'expect="^220 ", ')
        async with serving(tmp_path, text=text) as served:
            lines, shown = await told(served)
    assert 'probe_success{target="smtp",kind="tcp"} 0' in lines
    assert shown["details"]["reason"] == "body"


async def test_a_service_that_says_what_it_should_is_up(tmp_path: Path) -> None:
    async with greeting(b"220 mail\r\n") as port:
        text = with_tcp(f"tcp://127.0.0.1:{port}", 'expect="^220 ", ')
        async with serving(tmp_path, text=text) as served:
            lines, shown = await told(served)
    assert 'probe_success{target="smtp",kind="tcp"} 1' in lines
    assert shown["status"] == "healthy"


async def test_the_environment_overrides_its_address(tmp_path: Path) -> None:
    async with greeting(b"220 mail\r\n") as port:
        variables = {"SMTP_URL": f"tcp://127.0.0.1:{port}"}
        text = with_tcp("tcp://127.0.0.1:1")
        async with serving(tmp_path, environment=variables, text=text) as served:
            lines, _ = await told(served)
    assert 'probe_success{target="smtp",kind="tcp"} 1' in lines


# --- another kind -------------------------------------------------------------------------------


class Lottery(TcpService):
    """A kind that nothing in the exporter has heard of."""

    kind: ClassVar[Any] = "lottery"
    noun: ClassVar[str | None] = "Lottery"


class LotteryProber:
    """All that a new prober has to be."""

    async def probe(self, timeout: float) -> ProbeResult:
        return ProbeResult(Health.DEGRADED, timeout / 10, time.time())

    async def close(self) -> None:
        pass


def _lottery(_target: Target, _url: str, _network: Network) -> LotteryProber:
    return LotteryProber()


async def test_a_new_prober_is_a_file_and_a_line_in_probers(tmp_path: Path) -> None:
    """Success, duration, reason, counters, staleness and /health are the runner's."""
    text = with_tcp("tcp://127.0.0.1:1", times=TIMES).replace("TcpService(", "Lottery(")
    text = f"from {__name__} import Lottery\n{text}"
    with patch.dict(PROBERS, {Lottery.kind: _lottery}):
        async with serving(tmp_path, text=text) as served:
            lines, shown = await told(served)
    names = {line.partition("{")[0]: line.rpartition(" ")[2] for line in lines}
    assert names["probe_success"] == names["monitoring_target_degraded"] == "1"
    assert names["probe_duration_seconds"] == "0.05"
    assert {"monitoring_probes_total", "monitoring_target_info"} <= names.keys()
    assert shown["status"] == "degraded"


def test_every_kind_that_a_platform_can_hold_has_its_prober() -> None:
    def kinds(base: type[Target]) -> set[str]:
        own = {base.kind} if "kind" in vars(base) else set()
        return own.union(*(kinds(one) for one in base.__subclasses__()))

    assert kinds(Target) - {Lottery.kind} == PROBERS.keys()
