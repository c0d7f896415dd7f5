"""What is reported is held against what a target knows that it did."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.delayed import DelayingServer, Truth
from bench.nginx import Nginx
from bench.rounds import Plan
from bench.rows_truth import measured
from bench.truth import DURATION, PHASES, Said, compare
from bench.workshop import Workshop

# What a machine that is busy with other tests may add; the bench has the figures.
SLACK = 0.2
NOTED_SECONDS = 10.0


def answer(target: str, began: float, *, tls: float = 0.0) -> Truth:
    return Truth(target, began, began + tls + 0.03, tls=tls, processing=0.02, transfer=0.01)


def said(target: str, at: float, **wrong: float) -> Said:
    true = {"connect": 0.0, "tls": 0.0, "processing": 0.02, "transfer": 0.01, DURATION: 0.03}
    return Said(target, at, {name: time + wrong.get(name, 0.0) for name, time in true.items()})


def test_each_time_is_compared_with_the_truth_of_its_own_answer() -> None:
    truths = [answer("1", 10.0), answer("1", 11.0), answer("2", 11.0)]
    results = [said("1", 11.01, processing=0.004), said("2", 10.99, connect=0.001)]
    errors = compare(results, truths, by_end=False)
    assert errors.unmatched == 0
    assert errors.by_phase["processing"] == pytest.approx([0.004, 0.0])
    assert errors.by_phase["connect"] == pytest.approx([0.0, 0.001])
    assert errors.by_phase["tls"] == []
    assert errors.quantile("processing", 0.5) == pytest.approx(0.0)
    assert errors.quantile("processing", 0.99) == pytest.approx(0.004)


def test_a_result_may_tell_when_its_answer_ended() -> None:
    truths = [answer("1", 10.0), answer("1", 10.5)]
    assert compare([said("1", 10.6)], truths, by_end=True).unmatched == 0
    assert compare([said("1", 11.0)], truths, by_end=True).unmatched == 1


def test_tls_counts_where_there_was_some() -> None:
    errors = compare([said("1", 10.0, tls=0.012)], [answer("1", 10.0, tls=0.01)], by_end=False)
    assert errors.by_phase["tls"] == pytest.approx([0.002])


def test_a_result_without_an_answer_is_counted() -> None:
    assert compare([said("1", 10.0)], [], by_end=False).unmatched == 1
    assert compare([said("1", 10.0)], [answer("2", 10.0)], by_end=False).unmatched == 1


def test_an_error_counts_whichever_way_it_goes() -> None:
    results = [said("1", 10.0, transfer=-0.005), said("1", 11.0, transfer=0.001)]
    errors = compare(results, [answer("1", 10.0), answer("1", 11.0)], by_end=False)
    assert errors.quantile("transfer", 1.0) == pytest.approx(0.005)
    assert errors.mean("transfer") == pytest.approx(-0.002)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DelayingServer]:
    with DelayingServer(tmp_path_factory.mktemp("delaying")) as started:
        yield started


def noted(server: DelayingServer, since: int) -> Truth:
    """The one answer to the test: noted after it was sent, so perhaps after it has arrived."""
    deadline = time.monotonic() + NOTED_SECONDS
    while time.monotonic() < deadline:
        # Its own question whether it was ready may be told late.
        if truths := [told for told in server.truths(since) if told.target != "ready"]:
            [truth] = truths
            return truth
        time.sleep(0.01)
    raise AssertionError(f"the server has noted no answer in {NOTED_SECONDS:g} s")


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_target_knows_how_late_it_was(server: DelayingServer, secure: bool) -> None:
    url = urlsplit(server.urls(1, 1)[secure])
    context = ssl.create_default_context(cafile=server.ca_file)
    since, before = server.position(), time.time()
    with closing(
        http.client.HTTPSConnection(url.netloc, context=context)
        if secure
        else http.client.HTTPConnection(url.netloc)
    ) as connection:
        connection.request("GET", f"{url.path}/health")
        assert connection.getresponse().read().startswith(b'{"status":"healthy"')
    took = time.time() - before
    truth = noted(server, since)
    assert truth.target == str(int(secure))
    assert before <= truth.began < truth.ended <= before + took
    assert (truth.tls > 0) == secure
    parts = truth.tls + truth.processing + truth.transfer
    assert parts == pytest.approx(truth.duration, abs=SLACK)
    assert truth.duration <= took


def test_both_exporters_tell_about_the_truth_while_clients_load_them(tmp_path: Path) -> None:
    """Only that it is about the truth; how near it comes is the bench's to say."""
    plan = Plan(rounds=1, seconds=2.0, limit=1.0, attempts=2)
    with Nginx(tmp_path / "nginx", plain=1, secure=0) as nginx:
        sides = measured(Workshop(tmp_path, plan, True, nginx), plan, 8, 4)
    for side in sides.values():
        for phase in (DURATION, *PHASES):
            assert side.spread(f"{phase} p50").median < SLACK, phase
