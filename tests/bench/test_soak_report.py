"""What a soak must not forgive: both sides of every bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.soak_report import Outcome, Sample, document, verdicts

MEGABYTE = 1_000_000


def sample(at: float) -> Sample:
    probes = 100 + int(at)
    ended = {
        "calm": {"success": probes - 10, "failure": 10},
        "wild": {"success": probes, "failure": 5},
    }
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
    made = Outcome(
        samples, {"hang": 1}, {"calm": 107, "wild": 108}, frozenset({"wild"}), {"Redis": 0}
    )
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
        (replace(sample(7), started=sample(7).started + 3, in_flight=3), "every probe"),
        (replace(sample(7), started=sample(7).started - 1), "every probe"),
        (replace(sample(7), errors=1), "no error"),
        (replace(sample(7), in_flight=3), "itself says"),
    ],
)
def test_a_leak_or_a_loss_is_told(last: Sample, word: str) -> None:
    [what] = failed(outcome(last))
    assert word in what


@pytest.mark.parametrize(
    "last",
    [
        replace(sample(7), files=35, tasks=9),
        replace(sample(7), started=sample(7).started + 2),
        replace(sample(7), in_flight=2),
        # Once is no leak: it has to stay.
        replace(sample(7), memory=200 * MEGABYTE),
    ],
)
def test_what_is_under_way_at_the_end_is_no_leak(last: Sample) -> None:
    assert failed(outcome(last)) == []


@pytest.mark.parametrize(
    ("requests", "held"),
    [
        ({"calm": 109, "wild": 108}, False),
        ({"calm": 108, "wild": 108}, True),
        ({"calm": 100, "wild": 108}, False),
        ({"calm": 101, "wild": 108}, True),
        ({"calm": 107, "wild": 106}, False),
        ({"calm": 107, "wild": 107}, True),
        ({"calm": 107, "wild": 114}, False),
        ({"calm": 107, "wild": 113}, True),
    ],
)
def test_requests_that_the_services_saw_must_fit(requests: dict[str, int], held: bool) -> None:
    assert (failed(outcome(requests=requests)) == []) is held


@pytest.mark.parametrize(("grown", "held"), [(3 * MEGABYTE, True), (3 * MEGABYTE + 1, False)])
def test_memory_that_has_grown_for_good_is_told(grown: int, held: bool) -> None:
    samples = [sample(at) for at in range(8)]
    late = [replace(one, memory=one.memory + grown) for one in samples[-2:]]
    assert ("memory does not grow" not in failed(outcome(samples=[*samples[:-2], *late]))) is held


@pytest.mark.parametrize(("probes", "held"), [(86, True), (85, False)])
def test_a_target_that_is_probed_less_than_the_others_is_told(probes: int, held: bool) -> None:
    samples = [with_a_third(sample(at), 108) for at in range(8)]
    samples[-1] = with_a_third(sample(7), probes)
    assert (PROBED not in failed(outcome(samples=samples))) is held


@pytest.mark.parametrize(("stops", "held"), [(10.0, True), (10.1, False)])
def test_a_target_that_is_not_probed_any_more_is_told(stops: float, held: bool) -> None:
    samples = [with_a_third(sample(at), 100 + min(at, 5)) for at in range(8)]
    samples.append(replace(samples[-1], at=5 + stops))
    assert (PROBED not in failed(outcome(samples=samples))) is held


PROBED = "every target was probed to the end, and about as often as the others"


def with_a_third(given: Sample, probes: int) -> Sample:
    """The sample, and a third target that has so many results."""
    ended = {**given.ended, "third": {"success": probes, "failure": 0}}
    return replace(given, ended=ended, started=given.started + probes)


def test_an_error_in_the_log_is_told() -> None:
    [what] = failed(outcome(complaints=["Task exception was never retrieved"]))
    assert "log" in what


def test_a_connection_that_is_left_is_told() -> None:
    assert failed(outcome(connections={"Postgres": 3, "Redis": 1})) == []
    assert failed(outcome(connections={"Postgres": 4})) != []
    assert failed(outcome(connections={"Redis": 2})) != []


def test_the_document_says_what_did_not_hold() -> None:
    text = document(outcome(connections={"Postgres": 4}), 8, "a machine")
    assert "| **no** | Postgres 4 |" in text
    assert "| 7 s | 30 | 70.0 MB | 4 | 219 | 219 | 15 |" in text
