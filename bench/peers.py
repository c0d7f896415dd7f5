"""The exporters that ours is measured against, of Debian's unstable: Go programs run anywhere."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from programs import Redis, ServerError, child, fetch
from programs.server import ANSWER_SECONDS, Server, request

SUITE = "sid"

# The same checks as our default: status 200 and a JSON body whose status is one of three.
# Certificates are verified.
_BLACKBOX = """\
modules:
  http:
    prober: http
    timeout: 3s
    http:
      preferred_ip_protocol: ip4
      valid_status_codes: [200]
      fail_if_body_not_matches_regexp: ['"status":\\s*"(healthy|ok|ready|degraded)"']
      tls_config:
        ca_file: {ca_file}
"""

# What ours tells besides the peer's default.
_POSTGRES_COLLECTORS = ("database_wraparound", "postmaster", "stat_checkpointer")


class Peer(Server):
    """An exporter of Debian's unstable. Raises FetchError if it cannot be fetched."""

    package: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._program = self.fetched()

    @classmethod
    def fetched(cls) -> Path:
        """Where the program is."""
        return fetch([cls.package], SUITE).program(cls.package)

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/metrics", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200


class Blackbox(Peer):
    """blackbox_exporter with one module, `http`."""

    name: ClassVar[str] = "blackbox_exporter"
    package: ClassVar[str] = "prometheus-blackbox-exporter"
    agent: ClassVar[str] = "Blackbox-Exporter"

    def __init__(self, directory: Path, ca_file: Path) -> None:
        super().__init__(directory)
        self._ca_file = ca_file

    @staticmethod
    def path(url: str) -> str:
        """What makes it probe a service."""
        return f"/probe?module=http&target={url}/health"

    def _prepare(self) -> None:
        super()._prepare()
        (self.directory / "blackbox.yml").write_text(_BLACKBOX.format(ca_file=self._ca_file))

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--config.file={self.directory / 'blackbox.yml'}",
            f"--web.listen-address={self.host}:{self.port}",
            "--log.level=warn",
        )


class PostgresExporter(Peer):
    """postgres_exporter with its defaults, and with what our prober has besides.

    `dsn` is the URL to connect with.
    """

    name: ClassVar[str] = "postgres_exporter"
    package: ClassVar[str] = "prometheus-postgres-exporter"

    def __init__(self, directory: Path, dsn: str) -> None:
        super().__init__(directory)
        self._dsn = dsn

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--web.listen-address={self.host}:{self.port}",
            "--log.level=warn",
            *(f"--collector.{name}" for name in _POSTGRES_COLLECTORS),
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        # It has no other way to be told.
        environment = {"DATA_SOURCE_NAME": f"{self._dsn}?sslmode=disable"}
        return child(self._command(), cwd=self.directory, env=environment, log=self.log)


class RedisExporter(Peer):
    """redis_exporter, without metrics of itself and without the histograms that ours lacks."""

    name: ClassVar[str] = "redis_exporter"
    package: ClassVar[str] = "prometheus-redis-exporter"

    def __init__(self, directory: Path, redis: Redis) -> None:
        super().__init__(directory)
        self._redis = redis

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--web.listen-address={self.host}:{self.port}",
            f"--redis.addr={self._redis.url}",
            "--redis-only-metrics",
            "--exclude-latency-histogram-metrics",
            "--log-level=warning",
        )


def said_version(program: Path, option: str) -> str:
    """The version in what a program prints; raises ServerError if there is none."""
    result = subprocess.run(
        [program, option],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # redis_exporter prints the time first, in which there is no such number.
    found = re.search(r"\b\d+\.\d+\.\d+\b", result.stdout)
    if found is None:
        raise ServerError(f"{program} {option} names no version: {result.stdout[:200]}")
    return found[0]
