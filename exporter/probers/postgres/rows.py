"""A collector's rows, read again and again: what is as it was costs next to nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from exporter.probers.postgres.collector import FOUND, Collector
from exporter.probers.result import Block, Sample
from model import names

# What json_agg writes between two rows. Within a string a newline is escaped.
_BETWEEN = b", \n "
# The samples of a row, and how many rows there were before the limit.
_Line = tuple[tuple[Sample, ...], int]
# A metric's name and labels.
_Key = tuple[str, tuple[str, ...]]


class Rows:
    """Reads the JSON array that one collector's query returns.

    What has not changed since the last one is the very object that it was: all samples if the
    array is the same, those of a row if the row is, and a sample if its value is.
    """

    __slots__ = ("_collector", "_known", "_text", "samples")

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._text = b""
        self._known: Mapping[bytes, _Line] = {}
        self.samples: Block = ()

    def read(self, text: bytes) -> Block:
        """The samples of an array; empty text stands for one without rows."""
        if text == self._text and self.samples:
            return self.samples
        known = self._known
        lines = text[1:-1].split(_BETWEEN) if text else []
        made = _made(known, lines)
        # As a dictionary, for two rows that are the same would be the same series twice.
        current = {line: known.get(line) or self._line(line, made) for line in lines}
        found = [sample for samples, _ in current.values() for sample in samples]
        if self._collector.limit is not None:
            found.append(self._omitted(max((rows for _, rows in current.values()), default=0)))
        self._text, self._known, self.samples = text, current, tuple(found)
        return self.samples

    def _line(self, text: bytes, made: Mapping[_Key, Sample]) -> _Line:
        # A database in SQL_ASCII has bytes of any encoding in its names.
        row = json.loads(text.decode("utf-8", "replace"))
        samples = []
        for metric, labels, value in self._collector.values(row):
            sample = made.get((metric.name, labels))
            if sample is None or sample.value != value:
                sample = Sample(metric, labels, value)
            samples.append(sample)
        return tuple(samples), int(row.get(FOUND, 0))

    def _omitted(self, rows: int) -> Sample:
        """How many rows the limit has kept out, or folded into one."""
        limit = self._collector.limit or 0
        return Sample(names.PG_ROWS_OMITTED, (self._collector.name,), max(0, rows - limit))


def _made(known: Mapping[bytes, _Line], lines: Sequence[bytes]) -> Mapping[_Key, Sample]:
    """The samples of the rows that are not there any more: most are there in other words."""
    gone = known.keys() - lines
    return {
        (sample.metric.name, sample.labels): sample for line in gone for sample in known[line][0]
    }
