"""Asking Sentinels where a master is (https://redis.io/docs/latest/develop/reference/sentinel-clients/)."""

from __future__ import annotations

from urllib.parse import urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.credentials import secret_in
from exporter.probers.http.network import Network
from exporter.probers.redis.link import Link, login
from exporter.probers.redis.protocol import Refusal, Reply, Script, text_of
from exporter.probers.redis.refusals import failure_of
from exporter.probers.result import Reason
from model.redis import Redis

# The share of a probe's time that all Sentinels together may use up.
_SHARE = 0.5


class MasterFinder:
    """Asks one Sentinel after another, in the config's order, until one knows the master."""

    def __init__(self, target: Redis, first: Link, network: Network, *, secure: bool) -> None:
        assert target.master_name is not None
        self._name = target.master_name
        self._target, self._network, self._secure = target, network, secure
        self._sentinels = (first, *(self._link(*_place(one)) for one in target.sentinels))
        self._user = target.sentinel_username or ""
        file = target.sentinel_password_file
        self._password = None if file is None else secret_in(file)
        self._master: Link | None = None

    async def find(self, deadline: float) -> Link:
        """How to speak to the present master. Raises ProbeFailure if no Sentinel tells it."""
        script = self._question()
        until = now() + (deadline - now()) * _SHARE
        reason, detail = Reason.INTERNAL, ""
        for left, sentinel in zip(range(len(self._sentinels), 0, -1), self._sentinels, strict=True):
            at = now()
            try:
                replies = await sentinel.talk(script, at + (until - at) / left)
                return self._told(replies, script.count)
            except ProbeFailure as failure:
                reason, detail = failure.reason, f"Sentinel {sentinel}: {failure.detail}"
        raise ProbeFailure(reason, detail)

    def _question(self) -> Script:
        password = self._password() if self._password is not None else ""
        ask = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        return Script((*login(self._user, password), ask), (password,) if password else ())

    def _told(self, replies: list[Reply], count: int) -> Link:
        for position, reply in enumerate(replies):
            if isinstance(reply, Refusal):
                raise failure_of(reply, login=position < count - 1)
        address = replies[-1]
        if address is None:
            raise ProbeFailure(Reason.QUERY, f"it knows no master named {self._name}")
        parts = [text_of(part) for part in address] if isinstance(address, list) else []
        if len(parts) != 2 or not parts[0] or not (parts[1] or "").isdigit():
            raise ProbeFailure(Reason.PROTOCOL, "it answers with something else than an address")
        host, port = parts[0], int(parts[1] or 0)
        if self._master is None or (self._master.host, self._master.port) != (host, port):
            self._master = self._link(host, port)
        return self._master

    def _link(self, host: str, port: int) -> Link:
        return Link(self._target, host, port, self._network, secure=self._secure)


def _place(text: str) -> tuple[str, int]:
    """A host and a port, which the model has checked."""
    parts = urlsplit(f"//{text}")
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
