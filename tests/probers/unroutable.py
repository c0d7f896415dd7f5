"""Probes what cannot be reached, and prints what came of it: run inside a network of its own.

unroutable.py <loop> <timeout> <address>...
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from exporter.probers.http import HttpProber, Network
from exporter.probers.tcp import TcpProber
from model.targets import Service, TcpService

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def outcomes(address: str, timeout: float) -> list[dict[str, object]]:
    """What an HTTP and a TCP probe say of an address, and how long they took."""
    network = Network()
    http, tcp = f"http://{address}:80", f"tcp://{address}:80"
    found: list[dict[str, object]] = []
    for prober in (
        HttpProber(Service(name="target", url=http), http, network),
        TcpProber(TcpService(name="target", url=tcp), tcp, network),
    ):
        started = time.perf_counter()
        result = await prober.probe(timeout)
        took = time.perf_counter() - started
        await prober.close()
        found.append(
            {
                "health": result.health.value,
                "reason": result.reason,
                "detail": result.detail,
                "took": took,
                "left": len(network.poller()),
            }
        )
    network.close()
    return found


def main(loop: str, timeout: str, *addresses: str) -> None:
    """Probe each address, one after another."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        told = {address: runner.run(outcomes(address, float(timeout))) for address in addresses}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
