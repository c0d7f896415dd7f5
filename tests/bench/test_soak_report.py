"""What a soak must not forgive: both sides of every bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.soak_report import Outcome, Sample, document, verdicts

MEGABYTE = 1_000_000


def sample(at: float) -> Sample:
    probes = 100 + int(at)
    ended = {"calm": {"success": probes, "failure": 0}, "wild": {"success": probes, "failure": 5}}
    return Sample(
        at=at,
        files=30,
        memory=70 * MEGABYTE,
        tasks=4,
        started=2 * probes + 5,
        in_flight=0,
        errors=0,
        ended=ended,
    )


def outcome(last: Sample | None = None, **other: object) -> Outcome:
    samples = [sample(at) for at in range(8)]
    if last is not None:
        samples[-1] = last
    made = Outcome(samples, {"hang": 1}, {"calm": 107, "wild": 108}, frozenset({"wild"}), {"P": 0})
    return replace(made, **other)  # type: ignore[arg-type]


def failed(found: Outcome) -> list[str]:
    return [verdict.what for verdict in verdicts(found) if not verdict.held]


def test_a_soak_without_fault_holds() -> None:
    assert failed(outcome()) == []


@pytest.mark.parametrize(
    ("last", "word"),
    [
        (replace(sample(7), files=36), "open files"),
        (replace(sample(7), tasks=10), "tasks"),
        (replace(sample(7), memory=73 * MEGABYTE + 1), "memory"),
        (replace(sample(7), started=sample(7).started + 3), "every probe"),
        (replace(sample(7), started=sample(7).started - 1), "every probe"),
        (replace(sample(7), errors=1), "no error"),
    ],
)
def test_a_leak_or_a_loss_is_told(last: Sample, word: str) -> None:
    [what] = failed(outcome(last))
    assert word in what


@pytest.mark.parametrize(
    "last",
    [
        replace(sample(7), files=35, tasks=9, memory=73 * MEGABYTE),
        replace(sample(7), started=sample(7).started + 2),
    ],
)
def test_what_is_under_way_at_the_end_is_no_leak(last: Sample) -> None:
    assert failed(outcome(last)) == []


@pytest.mark.parametrize(
    ("requests", "held"),
    [
        ({"calm": 109, "wild": 108}, False),
        ({"calm": 108, "wild": 108}, True),
        ({"calm": 103, "wild": 108}, False),
        ({"calm": 104, "wild": 108}, True),
        ({"calm": 107, "wild": 106}, False),
        ({"calm": 107, "wild": 107}, True),
        ({"calm": 107, "wild": 114}, False),
        ({"calm": 107, "wild": 113}, True),
    ],
)
def test_requests_that_the_services_saw_must_fit(requests: dict[str, int], held: bool) -> None:
    assert (failed(outcome(requests=requests)) == []) is held


def test_a_connection_that_is_left_is_told() -> None:
    assert failed(outcome(connections={"Postgres": 1})) == []
    assert failed(outcome(connections={"Postgres": 2})) != []


def test_the_document_says_what_did_not_hold() -> None:
    text = document(outcome(connections={"Postgres": 2}), 8, "a machine")
    assert "| **no** | Postgres 2 |" in text
    assert "| 7 s | 30 | 70.0 MB | 4 | 219 | 219 | 5 |" in text
