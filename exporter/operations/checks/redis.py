"""Can every Redis of the config be reached from here?"""

from __future__ import annotations

from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.probers.http.network import Network
from model.redis import Redis


async def check(patient: Patient) -> list[Finding]:
    """By one probe of each, as the service makes them."""
    loaded = patient.loaded
    if loaded is None:
        return [unknown("Redis: the variables have to be mended first")]
    found = []
    network = Network()
    try:
        for target in loaded.targets:
            if not isinstance(target, Redis):
                continue
            prober = loaded.make_prober(target, network)
            try:
                result = await prober.probe(target.timeout.total_seconds())
            finally:
                await prober.close()
            if result.reason is None:
                found.append(fine(f"{target.name} answers"))
            else:
                found.append(
                    broken(
                        Fault.REDIS_UNREACHABLE,
                        f"{target.name}: {result.detail}",
                        f"Is it running, and is {target.variable or 'its URL'} right? "
                        "`redis-cli -u … ping`",
                    )
                )
    finally:
        network.close()
    return found or [fine("the config has no Redis")]
