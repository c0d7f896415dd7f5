"""Our own connectivity: are twenty-one services dead, or is it our network?

We are cut off when every point of reference has fallen silent, targets have failed in ways in which
nothing came back, and no target elsewhere has answered since. What such probes found is withheld
then: it says nothing of the targets.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

import structlog

from exporter import references
from exporter.probers.failure import ProbeFailure
from exporter.probers.http.resolve import Families, Resolver
from exporter.probers.result import ProbeResult, Reason
from exporter.references import Reference
from exporter.telemetry import Telemetry

# Nothing came back: of these alone may our network be the cause.
SILENT = frozenset({Reason.DNS, Reason.CONNECT, Reason.CONNECT_TIMEOUT, Reason.TIMEOUT})

_ANSWER_TIMEOUT = 1.0
# Between rounds: while all is well, only to know who answers at all; at the least.
_CALM = 60.0
_LEAST = 0.5
# One silent round may be lost packets.
_ROUNDS = 2
# Silent hosts that leave no doubt; with fewer, silence has to last for so many seconds.
_HOSTS = 2
_LONG = 3.0
# A target that has answered so many seconds ago, while the references were silent, contradicts
# them: two of the usual intervals.
_CONTRADICTS = 10.0
# Hosts that are looked at in one round to see whether they are on this machine.
_MOST_LOCATED = 50
_LOCATE_TIMEOUT = 0.5

log = structlog.get_logger("exporter.connectivity")


@dataclass(slots=True)
class _Host:
    """What was last heard of a host, and when it last answered."""

    silent: bool = False
    answered_at: float = float("-inf")


class Connectivity:
    """Asks the points of reference when targets fall silent, and says whether we are cut off.

    `found` gives the references of this machine.
    """

    def __init__(
        self,
        resolver: Resolver,
        telemetry: Telemetry,
        found: Callable[[], tuple[Reference, ...]] = references.found,
    ) -> None:
        self._resolver = resolver
        self._up = telemetry.connectivity_up
        self._reference_up = telemetry.connectivity_reference_up
        self._errors = telemetry.errors.labels("connectivity")
        self._found = found
        self._declared: tuple[Reference, ...] = ()
        self._last_found: dict[str, list[Reference]] = {}
        self._witnesses: set[Reference] = set()
        self._hosts: dict[str, _Host] = {}
        self._own: set[str] = set()
        self._suspicion = asyncio.Event()
        self._silent_rounds = 0
        self._silent_from = 0.0
        # Since when we are cut off, in unix seconds; None while we are not.
        self.isolated_since: float | None = None
        self.when_isolated: Callable[[], None] = lambda: None
        self._up.set(1)

    def use(self, addresses: Iterable[str], hosts: Iterable[str]) -> None:
        """Ask these addresses, or what is found if there are none, and know these hosts only."""
        self._declared = references.declared(addresses)
        watched = frozenset(hosts)
        self._hosts = {name: host for name, host in self._hosts.items() if name in watched}
        self._own.clear()
        self._reference_up.clear()
        self._suspicion.set()

    def ended(self, name: str, result: ProbeResult) -> bool:
        """Note how a probe of a host ended; whether to withhold its result."""
        host = self._hosts.setdefault(name, _Host())
        if result.reason is Reason.INTERNAL:
            return False
        host.silent = result.reason in SILENT
        if not host.silent:
            host.answered_at = monotonic()
        if host.silent or self.isolated_since is not None:
            self._suspicion.set()
        return host.silent and self.isolated_since is not None

    async def watch(self) -> None:
        """Ask whenever there is a suspicion, until cancelled."""
        while True:
            self._suspicion.clear()
            try:
                await self._round()
            except Exception:
                # Whoever cannot tell must not hold anything back.
                self._errors.inc()
                log.exception("an error while asking the points of reference")
                self._silent_rounds = 0
                self._judge()
            await asyncio.sleep(_LEAST)
            if self._silent_rounds:
                continue
            try:
                async with asyncio.timeout(_CALM):
                    await self._suspicion.wait()
            except TimeoutError:
                continue

    # --- one round ------------------------------------------------------------------------------

    async def _round(self) -> None:
        started = monotonic()
        asked = self._references()
        heard = await asyncio.gather(*(references.answers(one, _ANSWER_TIMEOUT) for one in asked))
        for reference, answered in zip(asked, heard, strict=True):
            self._reference_up.labels(str(reference)).set(answered)
            if answered:
                self._witnesses.add(reference)
        if any(heard) or not await self._can_tell(asked):
            self._silent_rounds = 0
        else:
            self._silent_from = self._silent_from if self._silent_rounds else started
            self._silent_rounds += 1
            await self._locate(self._silent_from)
        self._judge()

    def _references(self) -> tuple[Reference, ...]:
        """Whom to ask. A route vanishes with its link, so that what was found last is kept."""
        if self._declared:
            return self._declared
        kinds: dict[str, list[Reference]] = {}
        for reference in self._found():
            kinds.setdefault(reference.kind, []).append(reference)
        self._last_found.update(kinds)
        return tuple(one for found in self._last_found.values() for one in found)

    async def _can_tell(self, asked: tuple[Reference, ...]) -> bool:
        """Whether their silence means anything: one that has never answered proves nothing.

        Unless nobody has ever answered: then it may be that we have never been connected.
        """
        if any(one in self._witnesses for one in asked):
            return True
        if not asked:
            return False
        await self._locate(0.0)
        return not any(host.answered_at > 0 for host in self._elsewhere())

    def _elsewhere(self) -> list[_Host]:
        return [host for name, host in self._hosts.items() if name not in self._own]

    async def _locate(self, since: float) -> None:
        """Find out which of the hosts that have answered since then are on this very machine."""
        names = [
            name
            for name, host in self._hosts.items()
            if name not in self._own and host.answered_at > since
        ][:_MOST_LOCATED]
        own = await asyncio.gather(*map(self._is_own, names))
        self._own.update(name for name, is_own in zip(names, own, strict=True) if is_own)

    async def _is_own(self, name: str) -> bool:
        try:
            return references.is_own(str(ipaddress.ip_address(name)))
        except ValueError:
            pass  # a name
        try:
            found = await self._resolver.resolve(name, 0, Families("ip4", True), _LOCATE_TIMEOUT)
        except ProbeFailure:
            return False
        return all(references.is_own(str(address[0])) for _, address in found)

    # --- the verdict ----------------------------------------------------------------------------

    def _judge(self) -> None:
        isolated = self._silent_rounds >= _ROUNDS and self._nobody_answers()
        if isolated == (self.isolated_since is not None):
            return
        self._up.set(0 if isolated else 1)
        if isolated:
            self.isolated_since = time.time()
            log.error("cut off from the network: what silent targets do is unknown")
            self.when_isolated()
        else:
            self.isolated_since = None
            log.info("connected to the network again")

    def _nobody_answers(self) -> bool:
        now = monotonic()
        elsewhere = self._elsewhere()
        recent = max(self._silent_from, now - _CONTRADICTS)
        if any(host.answered_at >= recent for host in elsewhere):
            return False
        silent = sum(host.silent for host in elsewhere)
        return silent >= _HOSTS or (silent > 0 and now - self._silent_from >= _LONG)
