"""What a prober hands to the runner: plain facts, no metrics objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Self

from model.names import Metric


class Reason(StrEnum):
    """Why a probe failed: a bounded set, so that it can be a label."""

    DNS = "dns"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT = "connect"
    TLS = "tls"
    TLS_EXPIRED = "tls_expired"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    REDIRECTS = "redirects"
    STATUS = "status"
    BODY = "body"
    AUTH = "auth"
    TOO_MANY_CLIENTS = "too_many_clients"
    QUERY = "query"
    INTERNAL = "internal"
    HEADER = "header"


class Health(StrEnum):
    """What a target says of itself, in the words of the platform's health answers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


# Not frozen, though nobody changes them: that makes one cost 0.85 µs instead of 0.19, and a probe
# makes half a dozen.
@dataclass(slots=True)
class Sample:
    """One value of one metric. `labels` are in the catalogue's order, without `target`.

    For a histogram `value` is unused; `buckets` are the counts per bucket (not cumulative, the
    last one is +Inf) and `sum` is in the metric's unit.
    """

    metric: Metric
    labels: tuple[str, ...] = ()
    value: float = 0.0
    buckets: tuple[int, ...] = ()
    sum: float = 0.0


# Samples that change together, if at all.
Block = tuple[Sample, ...]


class Blocks(tuple[Sample, ...]):
    """All samples of some blocks, which remembers the blocks.

    A prober that hands out the same block again says that nothing in it has changed, so that
    nobody has to look at its samples.
    """

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> Self:
        """The samples of these blocks."""
        together = tuple(blocks)
        self = cls(chain.from_iterable(together))
        self.blocks = together
        return self


@dataclass(slots=True)
class ProbeResult:
    """The outcome of one probe.

    `duration` is in seconds, `ended_at` in unix seconds. `reason` is None exactly if the probe
    succeeded. `detail` is for people and holds no secret.
    """

    health: Health
    duration: float
    ended_at: float
    reason: Reason | None = None
    detail: str = ""
    samples: tuple[Sample, ...] = field(default=())

    @property
    def success(self) -> bool:
        """Whether the target is up; degraded is up."""
        return self.health is not Health.UNHEALTHY
