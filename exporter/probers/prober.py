"""The one shape that every prober has."""

from __future__ import annotations

from typing import Protocol

from exporter.probers.result import ProbeResult


class Prober(Protocol):
    """Probes one target, again and again, never twice at once."""

    async def probe(self, timeout: float) -> ProbeResult:
        """Probe once; end within `timeout` seconds, whatever the target does.

        Failures of the target are results, never exceptions. Cancelling leaves no connection.
        """
        ...

    async def close(self) -> None:
        """Give back what is kept between probes."""
        ...
