"""One conversation with a Redis: connect, send all commands at once, read all replies."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote, urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.connection import Connection
from exporter.probers.http.network import Network
from exporter.probers.http.resolve import Addresses, Families, attempts, literal, worth_another
from exporter.probers.http.tls import Security, TlsSettings
from exporter.probers.redis.protocol import Replies, Reply, Script
from exporter.probers.result import Reason
from model.redis import RedisServer, redis_url_mistakes

REDIS_PORT, SENTINEL_PORT = 6379, 26379


class Link:
    """How one place is spoken to: a new connection each time, by TCP or TLS.

    The connection and its poller are the HTTP prober's: they are cheaper than the loop's own
    transports, and end at their deadline whatever the other side does.
    """

    def __init__(
        self, target: RedisServer, host: str, port: int, network: Network, *, secure: bool
    ) -> None:
        self.host, self.port = host, port
        self._network = network
        self._literal = literal(host, port)
        self._families = Families(target.preferred_ip_protocol, target.ip_protocol_fallback)
        self._tls = TlsSettings.of(target) if secure else None
        self._server_name = target.server_name or host.rstrip(".")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def talk(self, script: Script, deadline: float) -> list[Reply]:
        """The replies to a script; fewer if it has refused a command and hung up.

        `deadline` is in seconds of `clock.now`. Raises ProbeFailure.
        """
        for address, until, last in attempts(await self._addresses(deadline), deadline):
            replies = Replies(script)
            connection = self._connection(replies, script.payload)
            try:
                connection.open(address, until)
                await connection.done
            except ProbeFailure as failure:
                if failure.reason is Reason.RESET and replies.refused():
                    return replies.received  # a full server hangs up without reading on
                if last or not worth_another(failure):
                    raise
            else:
                return replies.received
            finally:
                connection.close()
                del connection  # it holds the failure, which holds this frame: work for the gc
        raise AssertionError("there is always a last address, and it returns or raises")

    async def _addresses(self, deadline: float) -> Addresses:
        if self._literal is not None:
            return self._literal
        return await self._network.resolver.resolve(
            self.host, self.port, self._families, deadline - now()
        )

    def _connection(self, replies: Replies, payload: bytes) -> Connection:
        security = None
        if self._tls is not None:
            security = Security(self._network.contexts.get(self._tls), self._server_name)
        future = asyncio.get_running_loop().create_future()
        return self._network.connection(self._network.poller(), future, replies, payload, security)


class Address:
    """What a URL says: host, port, credentials, database. Raises ValueError if it cannot be used.

    The password is kept to be sent, and to be taken out of what a server repeats.
    """

    def __init__(self, url: str, default_port: int) -> None:
        parts = urlsplit(url)
        mistakes = redis_url_mistakes(url)
        if mistakes:
            raise ValueError("; ".join(f"its URL {mistake}" for mistake in mistakes))
        if not parts.hostname:
            raise ValueError("its URL has no host")
        self.host, self.port = parts.hostname, parts.port or default_port
        self.secure = parts.scheme == "rediss"
        self.database = int(parts.path.strip("/") or 0)
        self.login = login(unquote(parts.username or ""), unquote(parts.password or ""))
        self.secrets = tuple(
            sorted({secret for secret in (parts.password, unquote(parts.password or "")) if secret})
        )


def login(user: str, password: str) -> tuple[tuple[str, ...], ...]:
    """The AUTH command for credentials, none without any."""
    if user:
        return (("AUTH", user, password),)
    return (("AUTH", password),) if password else ()
