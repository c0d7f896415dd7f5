"""What the probers of one process share: sockets' readiness, names and TLS contexts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.probers.http.connection import Connection
from exporter.probers.http.poller import Poller
from exporter.probers.http.resolve import Resolver
from exporter.probers.http.tls import Contexts


class Network:
    """The sockets, names and TLS contexts of the probers of one event loop.

    One for all probers lets probes that become ready together share a wake-up (16 at a time cost
    a tenth less than with a network each), look a name up once, and load the CAs once. Used
    within a running loop, and closed in it.
    """

    def __init__(self, resolver: Resolver | None = None) -> None:
        self.resolver = resolver or Resolver()
        self.contexts = Contexts()
        # Makes connections: of a probe that is recorded, ones that note what is said.
        self.connection: Callable[..., Connection] = Connection
        self._poller: Poller | None = None

    def poller(self) -> Poller:
        """The poller, made at its first use."""
        if self._poller is None:
            self._poller = Poller(asyncio.get_running_loop())
        return self._poller

    def close(self) -> None:
        """Give everything back."""
        self.resolver.close()
        if self._poller is not None:
            self._poller.close()
            self._poller = None
