"""What a Prometheus has seen of one exporter, anew: as it was, and as if three had observed it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from asked import Asked, Line, answered

from demo.api import Api
from demo.history import write_samples
from model.jobs import JOB
from programs import Prometheus, find

ONE, THREE = ("one:3017",), ("one:3017", "two:3017", "three:3017")
# What an exporter tells is looked at over so many seconds, by rates; what rules record of it, and
# what else is scraped less often, over more.
_OWN_SECONDS, _OTHER_SECONDS = 120, 420
_SAMPLE = re.compile(r"\{(?P<labels>.*)\} (?P<value>\S+) (?P<at>\d+)")
_LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_OF_EXPORTER = f'job="{JOB}"'

# By the titles of panels: those that show each exporter by itself, and those that count what all of
# them do. Every other one shows what is the same, whoever observes it.
BY_EXPORTER = frozenset(
    {
        "CPU",
        "Connections of the ledger's pool",
        "DatabasePoolExhausted",
        "Delay of the event loop, by exporter",
        "ExporterReplicaDown",
        "File descriptors",
        "Memory",
        "Own network",
        "Store of the ledger",
        "Tasks of the event loop",
        "What Prometheus reaches",
    }
)
SUMMED = frozenset(
    {
        "Exporters reached",
        "Probes per second",
        "Probes per second, by result",
        "Runs of workers in the time shown",
        "Samples per scrape, by job",
    }
)
NOT_COMPARED: Mapping[str, str] = MappingProxyType(
    {"Scrape duration, the 10 slowest": "with more exporters others are among the ten"}
)


@dataclass(frozen=True)
class Samples:
    """What was dumped, and when the last of it was scraped, in unix seconds."""

    lines: Sequence[str]
    last: float


def dumped(data: Path, until: float) -> Samples:
    """The samples of a TSDB, which a Prometheus may have open, up to a unix time."""
    times = (
        f"--min-time={int(1000 * (until - _OTHER_SECONDS))}",
        f"--max-time={int(1000 * until)}",
    )
    done = subprocess.run(
        [find("promtool"), "tsdb", "dump", *times, data],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Samples(done.stdout.splitlines(), until)


def observed_by(directory: Path, samples: Samples, instances: Sequence[str]) -> Prometheus:
    """A Prometheus, not started yet, that holds these samples of every exporter alike.

    Rules have recorded of one what they would of three: that is what their unit tests show.
    """
    directory.mkdir()
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n", encoding="utf-8")
    server = Prometheus(directory, config)
    write_samples(server.data, _copied(samples, instances))
    return server


def _copied(samples: Samples, instances: Sequence[str]) -> Iterator[str]:
    for line in samples.lines:
        found = _SAMPLE.fullmatch(line)
        assert found is not None, line
        at = int(found["at"]) / 1000
        # A series that has ended is marked by a NaN, which OpenMetrics has no other word for.
        if found["value"] == "NaN":
            continue
        if _OF_EXPORTER not in found["labels"]:
            yield _sample(_LABEL.findall(found["labels"]), found["value"], at)
        elif at > samples.last - _OWN_SECONDS:
            for instance in instances:
                labels = dict(_LABEL.findall(found["labels"])) | {"instance": json.dumps(instance)}
                yield _sample(labels.items(), found["value"], at)


def _sample(labels: Iterable[tuple[str, str]], value: str, at: float) -> str:
    written = dict(labels)
    name = json.loads(written.pop("__name__"))
    return f"{name}{{{','.join(f'{key}={text}' for key, text in written.items())}}} {value} {at}\n"


@dataclass(frozen=True)
class Compared:
    """The places of queries that do not answer as they are to, with both answers.

    `empty` has the titles of panels that show nothing either way.
    """

    unlike: Mapping[str, tuple[Sequence[Line], Sequence[Line]]]
    empty: frozenset[str]


async def compared(queries: Iterable[Asked], one: Api, three: Api, at: float) -> Compared:
    """Ask both of them every query."""
    unlike, empty = {}, set()
    for query in queries:
        alone, together = await answered(one, query, at), await answered(three, query, at)
        if not alone and not together:
            empty.add(query.title)
        elif query.title not in NOT_COMPARED and _by_labels(together) != _by_labels(
            [line for shown in alone for line in _expected(query.title, shown)]
        ):
            unlike[query.place] = alone, together
    return Compared(unlike, frozenset(empty))


def _expected(title: str, shown: Line) -> Iterator[Line]:
    """What three exporters make of a line, by what one has made of it."""
    if shown.labels.get("instance") in ONE and title in BY_EXPORTER:
        for instance in THREE:
            yield Line({**shown.labels, "instance": instance}, shown.value)
        return
    # Of what is scraped besides there is as much as before.
    of_all = title in SUMMED and shown.labels.get("job", JOB) == JOB
    yield Line(shown.labels, shown.value * (len(THREE) if of_all else 1))


def _by_labels(lines: Sequence[Line]) -> dict[frozenset[tuple[str, str]], float]:
    """The lines in no order, rounded to what adding up in another order changes."""
    return {frozenset(line.labels.items()): float(f"{line.value:.9g}") for line in lines}
