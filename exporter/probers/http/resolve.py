"""Names to addresses, each look-up within a deadline of its own."""

from __future__ import annotations

import asyncio
import socket

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.connection import Address
from exporter.probers.result import Reason


async def resolve(host: str, port: int, timeout: float) -> tuple[Address, ...]:
    """The addresses of a name, in the system's order; raise ProbeFailure if there are none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ProbeFailure(Reason.DNS, "the name was not resolved in time") from None
    except (OSError, UnicodeError) as error:
        text = error.strerror if isinstance(error, OSError) else "not a valid name"
        raise ProbeFailure(Reason.DNS, f"the name cannot be resolved: {text}") from None
    return tuple((family, address) for family, _, _, _, address in found)
