"""Our exporter, run as users run it, with a config of as many targets as a row needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from bench.scraper import Scraper
from model.durations import hours, seconds
from model.json_target import JsonState, JsonTarget
from model.load import load
from model.platform import Platform
from model.redis import Redis
from model.sql import SqlMetrics, SqlValue
from model.targets import Postgres, Service, TcpService
from programs import ServerError, child
from programs.server import ANSWER_SECONDS, Server, request

# What passes the URLs of Postgres on: they hold passwords, which a config may not.
_VARIABLE = "POSTGRES_"
ROOT = Path(__file__).resolve().parent.parent
AGENT = "tickettoken-monitoring"
_NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Targets:
    """What to watch, as URLs, each as a target of its own; `interval` and `timeout` in seconds.

    `documents` are JSON with a service's `status`, and `queries` are asked of the first Postgres.
    `ca_file` is whom the services' certificates are checked against, if not the machine's own.
    `ledger`: alerts are kept, as peers cannot.
    """

    interval: float
    timeout: float
    services: tuple[str, ...] = ()
    postgres: tuple[str, ...] = ()
    redis: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    tcp: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    ca_file: str | None = None
    ledger: bool = False

    @property
    def count(self) -> int:
        """How many there are."""
        kinds = (
            self.services,
            self.postgres,
            self.redis,
            self.documents,
            self.tcp,
            self.queries,
        )
        return sum(map(len, kinds))


_STATE = JsonState(path="status", up=("healthy",), degraded=("degraded",), down=("unhealthy",))

# A platform without services is refused: one that is probed when it starts, and then no more.
_UNUSED = (Service(name="unused", url="http://127.0.0.1:9", interval=hours(24)),)


def platform_of(path: Path) -> Platform:
    """The default platform with other targets, which a JSON file lists; a generated config's."""
    targets = Targets(**json.loads(path.read_text(encoding="utf-8")))
    pace = {
        "interval": seconds(targets.interval),
        "timeout": seconds(targets.timeout),
        # The config refuses a retry that one scrape could see twice.
        "retry_interval": seconds(min(targets.interval, 2.0)),
    }
    base = load(ROOT / "config.py")
    # Neither is there to be asked.
    unwatched = base.watched_by.model_copy(update={"alertmanagers": (), "prometheus": ()})
    return base.model_copy(
        update={
            "services": _services(targets, pace) or _UNUSED,
            "postgres": tuple(
                Postgres(name=f"postgres-{number}", variable=f"{_VARIABLE}{number}", **pace)
                for number in range(len(targets.postgres))
            ),
            "redis": tuple(
                Redis(name=f"redis-{number}", url=url, variable=f"REDIS_{number}", **pace)
                for number, url in enumerate(targets.redis)
            ),
            "sql": tuple(
                SqlMetrics(
                    name=f"sql-{number}",
                    postgres="postgres-0",
                    query=query,
                    values=(SqlValue(column="value", metric_name=f"bench_{number}", help="One."),),
                    **pace,
                )
                for number, query in enumerate(targets.queries)
            ),
            "tcp": tuple(
                TcpService(name=f"tcp-{number}", url=url, **pace)
                for number, url in enumerate(targets.tcp)
            ),
            "external": tuple(
                JsonTarget(name=f"json-{number}", url=url, state=_STATE, **pace)
                for number, url in enumerate(targets.documents)
            ),
            "own_service": None,
            "ledger": base.ledger if targets.ledger else None,
            "watched_by": unwatched if targets.ledger else base.watched_by,
        }
    )


def _services(targets: Targets, pace: Mapping[str, timedelta]) -> tuple[Service, ...]:
    ca_file = None if targets.ca_file is None else Path(targets.ca_file)
    return tuple(
        Service(name=f"service-{number}", url=url, ca_file=ca_file, **pace)
        for number, url in enumerate(targets.services)
    )


class Exporter(Server):
    """`python -m exporter serve` on a free port, watching these targets.

    `variables` are added to its environment.
    """

    name: ClassVar[str] = "exporter"

    def __init__(
        self, directory: Path, targets: Targets, variables: Mapping[str, str] = _NOTHING_MORE
    ) -> None:
        super().__init__(directory)
        self._targets = targets
        self._variables = variables

    def settle(self, deadline: float = 60.0) -> None:
        """Wait until every target has a result; raises ServerError after `deadline` seconds."""
        end = time.monotonic() + deadline
        while (known := self._known()) < self._targets.count:
            if time.monotonic() > end:
                raise ServerError(f"{known} of {self._targets.count} targets have a result")
            time.sleep(0.2)

    def _known(self) -> int:
        with Scraper(self.port) as scraper:
            return scraper.scrape()[1].count(b"\nmonitoring_probe_last_result_timestamp_seconds{")

    def _prepare(self) -> None:
        super()._prepare()
        targets = self.directory / "targets.json"
        targets.write_text(json.dumps(asdict(self._targets)))
        self._config.write_text(
            "from pathlib import Path\n\n"
            "from bench.ours import platform_of\n\n"
            f"CONFIG = platform_of(Path({str(targets)!r}))\n"
        )

    @property
    def _config(self) -> Path:
        return self.directory / "config.py"

    def _command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "exporter", "serve")

    def _spawn(self) -> subprocess.Popen[bytes]:
        secrets = {f"{_VARIABLE}{place}": url for place, url in enumerate(self._targets.postgres)}
        environment = {
            **os.environ,
            **secrets,
            "MONITORING_CONFIG": str(self._config),
            "HOST": self.host,
            "PORT": str(self.port),
            "LOG_LEVEL": "warning",
            **self._variables,
        }
        return child(self._command(), cwd=ROOT, env=environment, log=self.log)

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/status", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200
