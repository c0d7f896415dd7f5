"""INFO's lines to samples (https://redis.io/docs/latest/commands/info/)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.probers.failure import clean
from exporter.probers.redis.fields import FACTS, FIELDS, MASTER_FIELDS, TWINS, WORDS
from exporter.probers.result import Sample
from model import names

# A Redis with every module and 5,000 replicas is not what this reads.
_MOST_LINES = 5000
_DATABASE = re.compile(r"db\d+")
_SLAVE = re.compile(r"slave\d+")
_MASTER = re.compile(r"master\d+")
_COMMAND = "cmdstat_"
_ROUNDING = 2.0
_NO_KEYS: Mapping[str, str] = {"keys": "0", "expires": "0"}
_INSTANCE = names.REDIS_INSTANCE_INFO.labels[1:]


@dataclass(frozen=True, slots=True)
class _Line:
    """What one line says. Of lines with the same `key` the last one counts."""

    key: tuple[str, ...]
    samples: tuple[Sample, ...] = ()
    fact: str = ""


class InfoReader:
    """Reads INFO again and again: a line that is as it was the last time is not parsed again.

    Of some 200 lines a few dozen change from one probe to the next, and hardly ever do other
    lines appear. `database` is the one that is told of also when it is empty, which INFO leaves
    out.
    """

    __slots__ = (
        "_begins",
        "_empty",
        "_entries",
        "_facts",
        "_instance",
        "_lines",
        "_samples",
        "_started",
        "_uptime",
    )

    def __init__(self, database: int | None) -> None:
        line = None if database is None else _database(f"db{database}", _NO_KEYS)
        self._empty = line
        self._lines: list[str] = []
        self._entries: list[_Line | None] = []
        # Of the lines that count: where their samples begin.
        self._begins: dict[int, int] = {}
        self._samples: list[Sample] = []
        self._facts: dict[str, str] = {}
        self._instance: tuple[Sample, ...] = ()
        self._uptime: int | None = None
        self._started = Sample(names.REDIS_START_TIME)

    def read(self, text: str) -> tuple[list[Sample], Mapping[str, str]]:
        """The samples, and the facts that are words. Raises ValueError if it is not INFO."""
        lines = text.split("\r\n")
        if len(lines) > _MOST_LINES:
            raise ValueError(f"it has {len(lines)} lines")
        if len(lines) != len(self._lines) or not self._update(lines):
            self._make(lines)
        self._lines = lines
        if not self._begins:
            raise ValueError("it has no statistics")
        samples = [*self._samples, *self._instance]
        if self._uptime is not None:
            samples.append(self._start_time(self._entries[self._uptime]))
        return samples, self._facts

    def _start_time(self, uptime: _Line | None) -> Sample:
        """The same as long as it differs by what rounding to seconds does."""
        assert uptime is not None
        started = float(round(time.time() - uptime.samples[0].value))
        if abs(started - self._started.value) > _ROUNDING:
            self._started = Sample(names.REDIS_START_TIME, (), started)
        return self._started

    def _update(self, lines: list[str]) -> bool:
        """Read the lines that have changed; False if they are not the same in other words."""
        entries, facts = self._entries, False
        for place, (line, before) in enumerate(zip(lines, self._lines, strict=True)):
            if line == before:
                continue
            entry, last = _parse(line), entries[place]
            if entry is None or last is None:
                if entry is not last:
                    return False
                continue
            if entry.key != last.key or len(entry.samples) != len(last.samples):
                return False
            entries[place] = entry
            facts = facts or bool(entry.fact)
            # One that another line with the same key follows does not count.
            begin = self._begins.get(place)
            if begin is not None:
                self._replace(begin, entry.samples)
        if facts:
            self._tell()
        return True

    def _replace(self, begin: int, samples: tuple[Sample, ...]) -> None:
        kept = self._samples
        for place, sample in enumerate(samples, begin):
            last = kept[place]
            same = sample.metric is last.metric and sample.labels == last.labels
            if not same or sample.value != last.value:
                kept[place] = sample

    def _make(self, lines: list[str]) -> None:
        self._entries = [_parse(line) for line in lines]
        self._tell()

    def _tell(self) -> None:
        """Find out which lines count, and what they say together."""
        last = {entry.key: place for place, entry in enumerate(self._entries) if entry is not None}
        self._samples, self._begins = [], {}
        for entry, place in ((self._entries[place], place) for place in last.values()):
            assert entry is not None
            self._begins[place] = len(self._samples)
            self._samples += entry.samples
        self._uptime = last.get(("uptime_in_seconds",))
        facts = {entry.key[0]: entry.fact for entry in self._entries if entry and entry.fact}
        self._facts, self._instance = facts, tuple(_of_instance(facts))
        if self._empty and self._empty.key not in last and last:
            self._instance += self._empty.samples


def _parse(line: str) -> _Line | None:
    """What a line says; None if nothing that is wanted."""
    field, _, value = line.partition(":")
    metric = FIELDS.get(field)
    if metric is not None:
        number = _number(value)
        if number is None:
            return None
        sample = Sample(metric, (), number)
        if field in TWINS:
            return _Line((field,), (sample, *_twin(field, number)))
        return _Line((field,), (sample,))
    if field == "process_id":
        return _Line((field,), tuple(_twin(field, _number(value))), clean(value))
    if field in FACTS:
        return _Line((field,), (), clean(value))
    if field.startswith(_COMMAND):
        return _command(field.removeprefix(_COMMAND), _pairs(value))
    if _DATABASE.fullmatch(field):
        return _database(field, _pairs(value))
    if _SLAVE.fullmatch(field):
        return _slave(_pairs(value))
    if _MASTER.fullmatch(field):
        return _watched_master(_pairs(value))
    return None


def _twin(field: str, number: float | None) -> Iterator[Sample]:
    if number is not None:
        metric, divisor = TWINS[field]
        yield Sample(metric, (), number / divisor)


def _pairs(value: str) -> Mapping[str, str]:
    return dict(pair.partition("=")[::2] for pair in value.split(","))


def _number(text: str | None) -> float | None:
    """A figure, or a word that stands for one; None if it is neither."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        # What only looks like a Redis may say a number in words of its own.
        return WORDS.get(text)


def _samples(key: tuple[str, ...], given: Iterator[tuple[names.Metric, str | None]]) -> _Line:
    labels = key[1:]
    numbers = ((metric, _number(text)) for metric, text in given)
    return _Line(
        key,
        tuple(Sample(metric, labels, number) for metric, number in numbers if number is not None),
    )


def _command(name: str, said: Mapping[str, str]) -> _Line:
    key = (_COMMAND, clean(name))
    line = _samples(
        key,
        iter(
            (
                (names.REDIS_COMMANDS, said.get("calls")),
                (names.REDIS_COMMANDS_REJECTED, said.get("rejected_calls")),
                (names.REDIS_COMMANDS_FAILED, said.get("failed_calls")),
            )
        ),
    )
    took = _number(said.get("usec"))
    if took is None:
        return line
    duration = Sample(names.REDIS_COMMANDS_DURATION, key[1:], took / 1e6)
    return _Line(key, (*line.samples, duration))


def _database(name: str, said: Mapping[str, str]) -> _Line:
    key = ("db", name)
    line = _samples(
        key,
        iter(
            (
                (names.REDIS_DB_KEYS, said.get("keys")),
                (names.REDIS_DB_KEYS_EXPIRING, said.get("expires")),
            )
        ),
    )
    left = _number(said.get("avg_ttl"))
    if left is None:
        return line
    return _Line(key, (*line.samples, Sample(names.REDIS_DB_AVG_TTL, key[1:], left / 1000)))


def _slave(said: Mapping[str, str]) -> _Line:
    labels = (clean(said.get(name, "")) for name in ("ip", "port", "state"))
    figures = (
        (names.REDIS_SLAVE_OFFSET, said.get("offset")),
        (names.REDIS_SLAVE_LAG, said.get("lag")),
    )
    return _samples(("slave", *labels), iter(figures))


def _watched_master(said: Mapping[str, str]) -> _Line:
    name, address, status = (clean(said.get(one, "")) for one in ("name", "address", "status"))
    figures = (
        (names.REDIS_SENTINEL_MASTER_SLAVES, said.get("slaves")),
        (names.REDIS_SENTINEL_MASTER_SENTINELS, said.get("sentinels")),
    )
    line = _samples(("master", name, address), iter(figures))
    well = Sample(
        names.REDIS_SENTINEL_MASTER_STATUS, (name, address, status), float(status == "ok")
    )
    return _Line(line.key, (*line.samples, well))


def _of_instance(facts: Mapping[str, str]) -> Iterator[Sample]:
    """The samples whose labels stand on lines of their own."""
    labels = tuple(facts.get(name, "") for name in _INSTANCE)
    if any(labels):
        yield Sample(names.REDIS_INSTANCE_INFO, labels, 1.0)
    if facts.get("role") != "slave":
        return
    master = (facts.get("master_host", ""), facts.get("master_port", ""))
    yield Sample(names.REDIS_SLAVE_INFO, (*master, facts.get("slave_read_only", "")), 1.0)
    for field, metric in MASTER_FIELDS.items():
        number = _number(facts.get(field))
        if number is not None:
            yield Sample(metric, master, number)
