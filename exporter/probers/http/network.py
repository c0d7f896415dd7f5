"""What probers of one process share: the poller and the resolver."""

from __future__ import annotations

import asyncio

from exporter.probers.http.poller import Poller


class Network:
    """Sockets and names for the probers of one event loop.

    One for all probers lets probes that become ready together share a wake-up. To be used within
    a running loop, and closed in it.
    """

    def __init__(self) -> None:
        self._poller: Poller | None = None

    def poller(self) -> Poller:
        """The poller, made at its first use."""
        if self._poller is None:
            self._poller = Poller(asyncio.get_running_loop())
        return self._poller

    def close(self) -> None:
        """Give everything back."""
        if self._poller is not None:
            self._poller.close()
            self._poller = None
