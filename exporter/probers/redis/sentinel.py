"""Probing one Sentinel itself."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.probers.failure import clean
from exporter.probers.http.network import Network
from exporter.probers.redis.link import SENTINEL_PORT, Link
from exporter.probers.redis.protocol import Refusal, Reply, Script, text_of
from exporter.probers.redis.server import Answer, ServerProber
from exporter.probers.result import Health, Sample
from model import names
from model.redis import Sentinel


class SentinelProber(ServerProber):
    """Probes a Sentinel: what it sees of its masters, and whether it could replace them.

    It is degraded while it could not. `url` and `network` are as for HttpProber. Raises
    ValueError if the URL cannot be used.
    """

    _collectors = ("info", "quorum")
    _has_keys = False

    def __init__(self, target: Sentinel, url: str, network: Network | None = None) -> None:
        super().__init__(url, SENTINEL_PORT, network)
        place = self._address
        if place.database:
            raise ValueError("its URL names a database, and a Sentinel has none")
        self._masters = target.masters
        self._link = Link(target, place.host, place.port, self._network, secure=place.secure)
        opening = self._opening()
        quorum = (("SENTINEL", "CKQUORUM", master) for master in target.masters)
        commands = (*opening, ("INFO", "all"), *quorum)
        self._first = len(opening)
        self._script = Script(commands, place.secrets)

    async def _ask(self, answer: Answer, deadline: float) -> None:
        replies = await self._link.talk(self._script, deadline)
        info = self._first
        self._read_info(answer, replies[info : info + 1])
        self._read_quorum(answer, replies[info + 1 :])
        self._check_opening(replies[:info], info)

    def _read_quorum(self, answer: Answer, replies: Sequence[Reply]) -> None:
        """`OK 3 usable Sentinels…`, or a refusal that says what is missing."""
        answer.collected["quorum"] = len(replies) == len(self._masters)
        for master, reply in zip(self._masters, replies, strict=False):
            if isinstance(reply, Refusal):
                text = reply.text
                if text.startswith("NOPERM"):
                    answer.collected["quorum"] = False
                    answer.complaints.append(f"CKQUORUM was refused: {text}")
                    continue
                answer.health = Health.DEGRADED
                answer.complaints.append(f"{master}: {text}")
            else:
                text = text_of(reply) or ""
            answer.samples.append(
                Sample(
                    names.REDIS_SENTINEL_MASTER_CKQUORUM,
                    (master, clean(text)),
                    float(not isinstance(reply, Refusal)),
                )
            )
