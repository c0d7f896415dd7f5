"""What keeps a ledger busy: Alertmanager's webhooks, and people who read the list."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain

from bench.scraper import Scraper, paced
from exporter.ledger.fingerprint import fingerprint
from exporter.settings import read_settings
from exporter.web.tokens import mint

WEBHOOKS_PER_SECOND, LISTS_PER_SECOND = 20.0, 10.0
LIST = "/api/alerts?status=active&limit=500"
_WEBHOOK = "/api/alertmanager/webhook"
# Known to the exporter and its clients alike, and to nobody else, for as long as a run.
_SECRET, _INGEST = secrets.token_urlsafe(48), secrets.token_urlsafe(48)


def variables(**store: str) -> Mapping[str, str]:
    """What an exporter with a ledger is started with; `store` are the variables that say where."""
    limit = {"RATE_LIMIT_PER_MINUTE": "1000000"}
    return {"JWT_SECRET": _SECRET, "INGEST_TOKEN": _INGEST, **limit, **store}


def reader(port: int, path: str) -> Scraper:
    """Somebody who reads a page of the API."""
    settings = read_settings({"JWT_SECRET": _SECRET})
    return Scraper(port, path, token=mint(settings, "bench", "viewer", timedelta(hours=12)))


def webhooks(run: str, count: int) -> list[bytes]:
    """Bodies as Alertmanager sends them, each with one alert that is new."""
    return [_webhook(run, number) for number in range(count)]


def delivered(port: int, bodies: Sequence[bytes], connections: int) -> list[float]:
    """Deliver them as fast as so many connections can; how many seconds each answer took."""
    shares = [bodies[number::connections] for number in range(connections)]
    with ThreadPoolExecutor(connections, "webhook") as threads:
        return list(chain.from_iterable(threads.map(lambda share: _deliver(port, share), shares)))


@contextmanager
def busy(port: int, seconds: float) -> Iterator[None]:
    """Deliver and read at a steady pace for so long; leaving waits for both.

    Raises ScrapeError if one was not answered by 200.
    """
    with ThreadPoolExecutor(2, "ledger") as threads:
        work = [threads.submit(_deliver_paced, port, seconds), threads.submit(_read, port, seconds)]
        yield
    for one in work:
        one.result()


def _read(port: int, seconds: float) -> None:
    with reader(port, LIST) as scraper:
        paced(scraper, LISTS_PER_SECOND, seconds)


def _deliver_paced(port: int, seconds: float) -> None:
    bodies = webhooks(secrets.token_hex(4), round(seconds * WEBHOOKS_PER_SECOND))
    started = time.monotonic()
    with Scraper(port, _WEBHOOK, token=_INGEST) as scraper:
        for number, body in enumerate(bodies):
            time.sleep(max(0.0, started + number / WEBHOOKS_PER_SECOND - time.monotonic()))
            scraper.post(body)


def _deliver(port: int, bodies: Sequence[bytes]) -> list[float]:
    with Scraper(port, _WEBHOOK, token=_INGEST) as scraper:
        return [scraper.post(body)[0] for body in bodies]


def _webhook(run: str, number: int) -> bytes:
    labels = {
        "alertname": "ServiceDown",
        "severity": "critical",
        "service": f"service-{number}",
        "target": f"service-{number}",
        "run": run,
    }
    annotations = {"summary": f"service-{number} is down", "value": "0", "threshold": "< 0.5"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=probe_success",
        "fingerprint": fingerprint(labels),
    }
    body = {
        "version": "4",
        "groupKey": f"{{}}:{{{number}}}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "ledger",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager:9093",
        "alerts": [alert],
    }
    return json.dumps(body).encode()
