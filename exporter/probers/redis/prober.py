"""Probing one Redis: a new connection each time, and one round trip for all that is asked."""

from __future__ import annotations

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.http.clock import now
from exporter.probers.http.network import Network
from exporter.probers.redis.config import ConfigReader
from exporter.probers.redis.keys import KeySizes
from exporter.probers.redis.link import REDIS_PORT, SENTINEL_PORT, Link
from exporter.probers.redis.master import MasterFinder
from exporter.probers.redis.protocol import Refusal, Script, text_of
from exporter.probers.redis.server import Answer, ServerProber
from exporter.probers.redis.slowlog import SlowLog
from exporter.probers.result import Reason, Sample
from model import names
from model.redis import Redis

_UP = Sample(names.REDIS_UP, (), 1.0)
_DOWN = Sample(names.REDIS_UP, (), 0.0)


class RedisProber(ServerProber):
    """Probes one Redis, or the master that its Sentinels name.

    `url` and `network` are as for HttpProber. Raises ValueError if the URL cannot be used.
    """

    def __init__(self, target: Redis, url: str, network: Network | None = None) -> None:
        self._config = ConfigReader(target.config_command)
        named = (("config", target.config_command), ("slowlog", True), ("keys", target.keys))
        self._collectors = ("info", *(name for name, asked in named if asked))
        self._config_command = target.config_command
        super().__init__(url, SENTINEL_PORT if target.master_name else REDIS_PORT, network)
        place = self._address
        self._keys = KeySizes(target.keys, place.database)
        self._finder = None
        self._link = Link(target, place.host, place.port, self._network, secure=place.secure)
        if target.master_name:
            self._finder = MasterFinder(target, self._link, self._network, secure=place.secure)
        opening = self._opening()
        self._opened = opening
        self._first = len(opening)
        self._slowlog = SlowLog()
        self._script = self._asked()

    def _asked(self) -> Script:
        commands = (
            *self._opened,
            ("INFO", "all"),
            *self._config.commands,
            *self._slowlog.commands,
            *self._keys.commands,
        )
        return Script(commands, self._address.secrets)

    async def settings(self, *wanted: str, timeout: float) -> dict[str, str] | None:
        """What Redis says of settings of its own, by their names; None where we may not ask.

        Raises ProbeFailure, also where Redis refuses to tell.
        """
        if self._config_command is None:
            return None
        deadline = now() + timeout
        link = self._link if self._finder is None else await self._finder.find(deadline)
        commands = tuple((self._config_command, "GET", name) for name in wanted)
        script = Script((*self._opened, *commands), self._address.secrets)
        replies = await link.talk(script, deadline)
        self._check_opening(replies[: self._first], self._first)
        told: dict[str, str] = {}
        for reply in replies[self._first :]:
            if isinstance(reply, Refusal):
                raise ProbeFailure(Reason.QUERY, f"CONFIG was refused: {clean(reply.text)}")
            pair = [text_of(one) or "" for one in reply] if isinstance(reply, list) else []
            told.update(zip(pair[::2], pair[1::2], strict=False))
        return told

    async def _ask(self, answer: Answer, deadline: float) -> None:
        answer.samples.append(_DOWN)
        link = self._link if self._finder is None else await self._finder.find(deadline)
        replies = await link.talk(self._script, deadline)
        info = self._first
        config = info + 1
        slow = config + len(self._config.commands)
        keys = slow + len(self._slowlog.commands)
        # What it tells of itself is worth having also when it is down: it says why.
        role = self._read_info(answer, replies[info:config])
        self._config.read(answer, replies[config:slow])
        self._slowlog.read(answer, replies[slow:keys])
        if keys > slow and not self._slowlog.commands:
            self._script = self._asked()
        self._keys.read(answer, replies[keys:])
        self._check_opening(replies[:info], info)
        if self._finder is not None and role not in ("master", ""):
            raise ProbeFailure(
                Reason.QUERY, f"the Sentinel calls it the master, it calls itself a {role}"
            )
        answer.samples[0] = _UP
