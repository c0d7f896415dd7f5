"""What probing a Redis and probing a Sentinel have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.http.clock import now
from exporter.probers.http.network import Network
from exporter.probers.redis.info import InfoReader
from exporter.probers.redis.link import Address
from exporter.probers.redis.protocol import Refusal, Reply, text_of
from exporter.probers.redis.refusals import failure_of
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names


@dataclass(slots=True)
class Answer:
    """What one probe learns.

    `collected` tells for each collector whether Redis told us what it was asked; `complaints` say
    what it refused although it is up.
    """

    collected: dict[str, bool]
    samples: list[Sample] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    health: Health = Health.HEALTHY


class ServerProber(ABC):
    """Probes a server that speaks Redis' protocol. Keeps no connection between probes."""

    _collectors: tuple[str, ...]
    # Whether it keeps keys in databases.
    _has_keys = True

    def __init__(self, url: str, default_port: int, network: Network | None) -> None:
        self._network = network or Network()
        self._owns_network = network is None
        self._address = Address(url, default_port)
        self._info = InfoReader(self._address.database if self._has_keys else None)
        self._told = {
            (collector, told): Sample(names.REDIS_COLLECTOR_SUCCESS, (collector,), float(told))
            for collector in self._collectors
            for told in (True, False)
        }

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, ask and read; end within `timeout` seconds, whatever the target does."""
        started = now()
        answer = Answer(dict.fromkeys(self._collectors, False))
        reason = None
        try:
            await self._ask(answer, started + timeout)
            detail = "; ".join(answer.complaints)
        except ProbeFailure as failure:
            # The failure itself would hold this frame, and all that it refers to.
            reason, detail = failure.reason, failure.detail
            answer.health = Health.UNHEALTHY
        answer.samples += [self._told[told] for told in answer.collected.items()]
        return ProbeResult(
            health=answer.health,
            duration=now() - started,
            ended_at=time.time(),
            reason=reason,
            detail=clean(detail),
            samples=tuple(answer.samples),
        )

    async def close(self) -> None:
        """Give back what is kept between probes."""
        if self._owns_network:
            self._network.close()

    @abstractmethod
    async def _ask(self, answer: Answer, deadline: float) -> None:
        """Fill in the answer; raise ProbeFailure if the target is down."""

    def _opening(self) -> tuple[tuple[str, ...], ...]:
        """The commands that have to succeed, or it is down; PING is the last."""
        database = self._address.database
        select = (("SELECT", str(database)),) if database else ()
        return (*self._address.login, *select, ("PING",))

    def _check_opening(self, replies: Sequence[Reply], wanted: int) -> None:
        """Raise ProbeFailure if one of the opening commands did not succeed."""
        logs_in = bool(self._address.login)
        for position, reply in enumerate(replies):
            if isinstance(reply, Refusal):
                raise failure_of(reply, login=logs_in and position == 0)
        if len(replies) < wanted:
            raise ProbeFailure(Reason.RESET, "the target closed the connection too early")
        if replies[-1] != b"PONG":
            raise ProbeFailure(Reason.PROTOCOL, "it answers PING, but not with PONG")

    def _read_info(self, answer: Answer, replies: Sequence[Reply]) -> str:
        """Take INFO's samples, and give back the role it tells; that it is refused is no fault."""
        reply = replies[0] if replies else None
        text = text_of(reply)
        if text is None:
            why = f"was refused: {reply.text}" if isinstance(reply, Refusal) else _STRANGE
            answer.complaints.append(f"INFO {why}")
            return ""
        try:
            samples, facts = self._info.read(text)
        except ValueError as error:
            answer.complaints.append(f"INFO {_STRANGE}: {error}")
            return ""
        answer.samples += samples
        answer.collected["info"] = True
        return facts.get("role", "")


_STRANGE = "was answered with something else than Redis' statistics"
