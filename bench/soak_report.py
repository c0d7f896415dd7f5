"""What a soak has shown: each thing that had to hold, and the figures, as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

_MEGABYTE = 1e6
# Rows of the document's table.
_SHOWN = 13
# A probe under way or a scrape of our own may have one more open at either end.
_MORE_FILES = 5
_MORE_TASKS = 5
_MORE_MEMORY = 3 * _MEGABYTE
# A request whose probe gave up while the simulation was busy may never be read by it.
_UNREAD = 0.05
# A probe that was started in this turn of the event loop is not under way before the next.
_ONE_TURN = 2
# Of Postgres: the one that is kept, a probe's, and an SQL metric's.
_MOST_CONNECTIONS: Mapping[str, int] = {"Postgres": 3, "Redis": 1}
# Targets have one interval, so each has about as many results as the others, however busy the
# machine is; one that is not heard of for so many seconds is not probed any more.
_LEAST_SHARE, _LONGEST_SILENCE = 0.8, 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The exporter at a moment, `at` seconds after the start; `memory` is in bytes.

    `ended` counts probes by target and result.
    """

    at: float
    files: int
    memory: int
    tasks: int
    started: int
    in_flight: int
    errors: int
    ended: Mapping[str, Mapping[str, int]]

    @property
    def results(self) -> int:
        """Probes that have ended, of all targets."""
        return sum(sum(counts.values()) for counts in self.ended.values())


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was seen. `requests` is how many each simulated service has seen itself.

    `connections` are those that the databases still hold of ours, `crashing` the services that
    refused connections at times, `complaints` the lines of the exporter's log that tell of errors.
    """

    samples: Sequence[Sample]
    faults: Mapping[str, int]
    requests: Mapping[str, int]
    crashing: frozenset[str]
    connections: Mapping[str, int]
    complaints: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that had to hold, whether it did, and by what figures."""

    what: str
    held: bool
    figures: str


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Everything that had to hold."""
    return [*_flat(outcome), *_accounted(outcome)]


def document(outcome: Outcome, seconds: float, machine: str) -> str:
    """The text of docs/soak.md."""
    found = verdicts(outcome)
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(outcome.faults.items()))
    lines = [
        "# Soak",
        "",
        "Written by `make soak`; don't edit.",
        "",
        f"{seconds:.0f} s, {len(outcome.requests)} simulated services and JSON documents,",
        "half of them by TCP too, a Postgres, a query of it and a Redis, each probed once a second",
        "while they failed at random; at the end all were well.",
        f"Machine: {machine}. Faults: {faults}.",
        "",
        "| what had to hold | held | figures |",
        "| --- | --- | --- |",
        *(f"| {v.what} | {'yes' if v.held else '**no**'} | {v.figures} |" for v in found),
        "",
        "| after | open files | memory | tasks | probes started | ended | of them failed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(sample) for sample in _spread(outcome.samples)),
        "",
    ]
    return "\n".join(lines)


def _flat(outcome: Outcome) -> Iterator[Verdict]:
    """At the end, when all is well again, as at the start; memory from the second quarter on."""
    first, last = outcome.samples[0], outcome.samples[-1]
    yield Verdict(
        "open files are as many as at the start",
        last.files <= first.files + _MORE_FILES,
        f"{first.files} at the start, at most "
        f"{max(sample.files for sample in outcome.samples)}, {last.files} at the end",
    )
    yield Verdict(
        "tasks are as many as at the start",
        last.tasks <= first.tasks + _MORE_TASKS,
        f"{first.tasks} at the start, at most "
        f"{max(sample.tasks for sample in outcome.samples)}, {last.tasks} at the end",
    )
    quarter = len(outcome.samples) // 4
    early = median_low(sample.memory for sample in outcome.samples[quarter : 2 * quarter])
    late = median_low(sample.memory for sample in outcome.samples[-quarter:])
    yield Verdict(
        "memory does not grow",
        late <= early + _MORE_MEMORY,
        f"{early / _MEGABYTE:.1f} MB in the second quarter of the time, "
        f"{late / _MEGABYTE:.1f} MB in the last (medians)",
    )


def _accounted(outcome: Outcome) -> Iterator[Verdict]:
    last = outcome.samples[-1]
    targets = len(last.ended)
    under_way = [sample.started - sample.results for sample in outcome.samples]
    yield Verdict(
        "every probe that was started has ended, or is the one under way of its target",
        all(0 <= number <= targets for number in under_way),
        f"{last.started} started, {last.results} ended; under way at any sample: "
        f"{min(under_way)} to {max(under_way)} of {targets} targets",
    )
    apart = [
        abs(number - sample.in_flight)
        for number, sample in zip(under_way, outcome.samples, strict=True)
    ]
    yield Verdict(
        "the exporter itself says that so many are under way",
        max(apart) <= _ONE_TURN,
        f"at most {max(apart)} apart",
    )
    yield _all_probed(outcome)
    yield Verdict(
        "no error inside the exporter, and none in its log",
        last.errors == 0 and not outcome.complaints,
        f"{last.errors}, {len(outcome.complaints)} lines" + "".join(outcome.complaints[:1]),
    )
    yield _requests_seen(outcome)
    wrong = {
        name: f"{seen} requests, {last.ended[name]}"
        for name, seen in outcome.requests.items()
        if not last.ended[name]["success"] <= seen <= _total(last, name) + 1
    }
    yield Verdict(
        "a service saw at least the probes that succeeded, at most those that ended",
        not wrong,
        f"{len(outcome.requests)} services" + (f"; not so: {wrong}" if wrong else ""),
    )
    yield Verdict(
        "the databases hold no connection but the kept one and those of probes under way",
        all(count <= _MOST_CONNECTIONS[name] for name, count in outcome.connections.items()),
        ", ".join(f"{name} {count}" for name, count in outcome.connections.items()),
    )


def _all_probed(outcome: Outcome) -> Verdict:
    """Nothing is lost of a target whose clock has stopped: that shows beside the others only."""
    last = outcome.samples[-1]
    totals = {target: _total(last, target) for target in last.ended}
    usual = median_low(totals.values())
    silent = {target: _silence(outcome.samples, target) for target in totals}
    left_out = {
        target: f"{count} probes, {silent[target]:.0f} s of silence"
        for target, count in totals.items()
        if count < _LEAST_SHARE * usual or silent[target] > _LONGEST_SILENCE
    }
    return Verdict(
        "every target was probed to the end, and about as often as the others",
        not left_out,
        f"{min(totals.values())} to {max(totals.values())} probes a target"
        + (f"; not so: {left_out}" if left_out else ""),
    )


def _silence(samples: Sequence[Sample], target: str) -> float:
    """The longest time, in seconds, from sample to sample, in which no probe of it has ended."""
    longest, since, known = 0.0, samples[0].at, -1
    for sample in samples:
        count = _total(sample, target)
        if count != known:
            known, since = count, sample.at
        longest = max(longest, sample.at - since)
    return longest


def _requests_seen(outcome: Outcome) -> Verdict:
    """Of services that never refused a connection: requests against probes."""
    last = outcome.samples[-1]
    seen = {name: count for name, count in outcome.requests.items() if name not in outcome.crashing}
    ended = {name: _total(last, name) for name in seen}
    strayed = {
        name: f"{seen[name]} requests, {ended[name]} probes"
        for name in seen
        if not ended[name] * (1 - _UNREAD) - 1 <= seen[name] <= ended[name] + 1
    }
    return Verdict(
        "a service that never crashed saw as many requests as it was probed",
        not strayed,
        f"{sum(seen.values())} requests, {sum(ended.values())} probes"
        + (f"; not so: {strayed}" if strayed else ""),
    )


def _total(sample: Sample, target: str) -> int:
    return sum(sample.ended.get(target, {}).values())


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    """So many of them, the first and the last included."""
    step = max(1, (len(samples) - 1) / (_SHOWN - 1))
    places = sorted({round(step * number) for number in range(_SHOWN)})
    return [samples[place] for place in places if place < len(samples)]


def _row(sample: Sample) -> str:
    failed = sum(counts["failure"] for counts in sample.ended.values())
    return (
        f"| {sample.at:.0f} s | {sample.files} | {sample.memory / _MEGABYTE:.1f} MB "
        f"| {sample.tasks} | {sample.started} | {sample.results} | {failed} |"
    )
