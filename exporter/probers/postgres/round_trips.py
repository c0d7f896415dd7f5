"""The histogram of how long a trivial query takes."""

from __future__ import annotations

from bisect import bisect_left

from exporter.probers.result import Sample
from model import names


class RoundTrips:
    """Counts round trips of one target."""

    def __init__(self) -> None:
        self._bounds = names.PG_ROUND_TRIP.buckets
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def answered(self, seconds: float) -> None:
        """Count an answer."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def unanswered(self, seconds: float) -> None:
        """Count a query that was given up after so long: it is over every bucket."""
        self._counts[-1] += 1
        self._sum += seconds

    def sample(self) -> Sample:
        """The histogram so far."""
        return Sample(names.PG_ROUND_TRIP, buckets=tuple(self._counts), sum=self._sum)
