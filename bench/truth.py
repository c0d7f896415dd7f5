"""What is said of probes against what was: each result is matched with the answer it is about."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.delayed import Truth

# Seconds between a result and the answer that it is about, at most; the next one is a second on.
_NEAR = 0.4
DURATION = "duration"
PHASES = ("connect", "tls", "processing", "transfer")


@dataclass(frozen=True, slots=True)
class Said:
    """One result: of which target, when its answer began or ended, and its times, by phase.

    `at` is in unix seconds, the times are in seconds.
    """

    target: str
    at: float
    times: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Errors:
    """By how much the times were wrong, in seconds, by phase; `unmatched` results had no answer."""

    by_phase: Mapping[str, Sequence[float]]
    unmatched: int

    def quantile(self, phase: str, share: float) -> float:
        """The error, either way, that this share of the results does not exceed."""
        sizes = sorted(map(abs, self.by_phase[phase]))
        return sizes[math.ceil(share * len(sizes)) - 1]

    def mean(self, phase: str) -> float:
        """The mean error: above 0 where too much was said."""
        return math.fsum(self.by_phase[phase]) / len(self.by_phase[phase])


def compare(said: Iterable[Said], truths: Iterable[Truth], *, by_end: bool) -> Errors:
    """The errors of results, whose `at` is the end (or else the beginning) of their answer.

    An answer is connected to at once: the kernel does that before the server looks. There is no
    TLS where the truth has none.
    """
    answers: dict[str, list[tuple[float, Truth]]] = {}
    for truth in sorted(truths, key=lambda truth: truth.began):
        at = truth.ended if by_end else truth.began
        answers.setdefault(truth.target, []).append((at, truth))
    found: dict[str, list[float]] = {phase: [] for phase in (*PHASES, DURATION)}
    unmatched = 0
    for result in said:
        truth_of_it = _nearest(answers.get(result.target, []), result.at)
        if truth_of_it is None:
            unmatched += 1
            continue
        for phase, error in _errors(result, truth_of_it):
            found[phase].append(error)
    return Errors(found, unmatched)


def _nearest(answers: Sequence[tuple[float, Truth]], at: float) -> Truth | None:
    place = bisect_left(answers, at, key=lambda answer: answer[0])
    near = answers[max(0, place - 1) : place + 1]
    best = min(near, key=lambda answer: abs(answer[0] - at), default=None)
    return best[1] if best is not None and abs(best[0] - at) <= _NEAR else None


def _errors(said: Said, truth: Truth) -> Iterable[tuple[str, float]]:
    yield "connect", said.times["connect"]
    if truth.tls:
        yield "tls", said.times["tls"] - truth.tls
    yield "processing", said.times["processing"] - truth.processing
    yield "transfer", said.times["transfer"] - truth.transfer
    yield DURATION, said.times[DURATION] - truth.duration
