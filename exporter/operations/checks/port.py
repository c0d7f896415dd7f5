"""Can the service listen, or does it already?"""

from __future__ import annotations

import errno
import socket

from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient


async def check(patient: Patient) -> list[Finding]:
    """A port that we have ourselves is fine."""
    settings = patient.settings
    if settings is None:
        return [unknown("the port: the variables have to be mended first")]
    place = f"{settings.host}:{settings.port}"
    if patient.metrics is not None:
        return [fine(f"the service is running, and has {place}")]
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else str(error.strerror)
        return [
            broken(
                Fault.PORT_TAKEN,
                f"{place} {why}, and not by this service",
                f"See who has it: `lsof -i :{settings.port}`; end that, or set PORT.",
            )
        ]
    return [fine(f"{place} is free; no service is running here")]
