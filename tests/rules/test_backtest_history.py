"""`python -m rules backtest` against a real Prometheus: what is known, what is not, what fired."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from backfilled import Past, remembering
from backtesting import COUNT, GAP, STEP, peaks, row, run, told

from programs import Prometheus


@pytest.fixture(scope="module")
def history() -> Past:
    return peaks(int(time.time()) // 60 * 60 - COUNT * STEP)


@pytest.fixture(scope="module")
def prometheus(history: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with remembering(history, tmp_path_factory.mktemp("history")) as server:
        yield server


def clock(history: Past, number: int) -> str:
    moment = time.gmtime(history.start + number * STEP)
    return time.strftime("%Y-%m-%d %H:%M:%S", moment)


# --- what is not known --------------------------------------------------------------------------


def test_a_prometheus_without_any_history_says_so(tmp_path: Path) -> None:
    empty = Past(int(time.time()) - 7200, STEP, {"up": [1.0]})
    with remembering(empty, tmp_path) as server:
        done = run("ManyClients:warning", "--since", "1h", "--prometheus", server.url)
    assert done.exit_code == 1
    why = "neither of what it scrapes, nor of redis_connected_clients, monitoring_maintenance"
    todo = "ask one that has, or say another --since"
    assert done.stderr == f"rules: {server.url} has no history of the last 1h: {why}; {todo}\n"


def test_a_history_shorter_than_asked_says_since_when_there_is_data(
    history: Past, prometheus: Prometheus
) -> None:
    done = run("ManyClients:warning", "--since", "12h", "--prometheus", prometheus.url)
    begins = clock(history, 0)[:16]
    assert f"begins {begins}, not when you asked: before, all is unknown" in told(done)
    assert row(done, "known")[0].startswith("2h5")


def test_a_gap_is_unknown_and_not_quiet(history: Past, prometheus: Prometheus) -> None:
    done = run("ManyClients:warning", "--since", "2h59m", "--prometheus", prometheus.url)
    first, end = clock(history, GAP[0])[:16], clock(history, GAP[-1] + 1)[:16]
    assert f"gaps 1, 10m in all, the longest {first} to {end}: unknown" in told(done)
    assert "(94." in row(done, "known")[0]


def test_an_alert_whose_series_never_were_says_that_nothing_can_fire(
    prometheus: Prometheus,
) -> None:
    done = run("ServiceDown", "--since", "1h", "--prometheus", prometheus.url)
    assert "no sample of probe_success in all this time: nothing can fire" in told(done)
    assert row(done, "fired") == ["0"]


def test_without_the_ledger_what_was_real_is_unknown_and_nothing_is_suggested(
    prometheus: Prometheus,
) -> None:
    done = run("ManyClients:warning", "--since", "1h", "--prometheus", prometheus.url)
    assert row(done, "real alerts seen") == row(done, "false positives seen") == ["unknown"]
    assert "Suggestion none: without the ledger nothing says" in told(done)


# --- what fired ---------------------------------------------------------------------------------


def test_today_and_what_is_proposed_stand_side_by_side(
    history: Past, prometheus: Prometheus
) -> None:
    done = run(
        "ManyClients:warning", "--threshold", "160", "--for", "90s", "--keep-firing-for", "20s",
        "--since", "2h59m", "--prometheus", prometheus.url,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert row(done, "threshold") == ["> 100", "> 160"]
    assert row(done, "for") == ["1m", "1m30s"]
    assert row(done, "keep_firing_for") == ["0s", "20s"]
    assert row(done, "fired") == ["4", "2"]
    # Of 30, 60, 14 and 100 evaluations 12 are waited for; of 60 and 100, 18, and 4 are kept.
    assert row(done, "firing in all") == ["13m", "11m"]
    lost = f"proposed: others that it no longer tells of (2) {clock(history, 312)} 1m30s"
    assert lost in told(done)


def test_a_lower_threshold_tells_what_is_new(history: Past, prometheus: Prometheus) -> None:
    done = run(
        "ManyClients:critical", "--threshold", "160", "--since", "2h59m",
        "--prometheus", prometheus.url,
    )  # fmt: skip
    assert row(done, "fired") == ["1", "2"]
    assert f'proposed: new firings (1) {clock(history, 1712)} 7m20s target="cache"' in told(done)


def test_of_several_thresholds_one_is_changed_by_the_number_that_it_has(
    prometheus: Prometheus,
) -> None:
    done = run(
        "ClientsOrMemory", "--threshold", "60=70", "--since", "1h", "--prometheus", prometheus.url
    )
    assert row(done, "threshold") == ["> 60, > 1000", "> 70, > 1000"]


def test_a_recording_rule_without_history_is_calculated_anew_and_said_to_be(
    history: Past, prometheus: Prometheus
) -> None:
    done = run("BusyService", "--since", "2h59m", "--prometheus", prometheus.url)
    assert "calculated anew: service:http_requests:rate1m" in told(done)
    assert row(done, "fired") == ["1"]
    assert row(done, "firing in all")[0] in ("13m55s", "14m", "14m5s")


def test_a_prometheus_that_can_answer_little_at_once_is_asked_for_less(
    prometheus: Prometheus, history: Past, tmp_path: Path
) -> None:
    asked = ("ManyClients:warning", "--threshold", "160", "--since", "2h59m")
    with remembering(history, tmp_path / "little", "--query.max-samples=400") as little:
        done = run(*asked, "--prometheus", little.url, "--svg", tmp_path / "a.svg")
    whole = run(*asked, "--prometheus", prometheus.url)
    for title in ("fired", "firing in all", "longest"):
        assert row(done, title) == row(whole, title)


def test_a_prometheus_that_can_answer_nothing_is_told_with_what_it_says(
    history: Past, tmp_path: Path
) -> None:
    with remembering(history, tmp_path / "nothing", "--query.max-samples=10") as nothing:
        done = run("ManyClients:warning", "--since", "1h", "--prometheus", nothing.url)
    assert done.exit_code == 1
    assert "cannot calculate 50 evaluations of" in done.stderr
    assert "too many samples" in done.stderr


# --- what is written ----------------------------------------------------------------------------


def test_the_files_have_what_the_text_tells(prometheus: Prometheus, tmp_path: Path) -> None:
    svg, document = tmp_path / "a.svg", tmp_path / "a.json"
    done = run(
        "ManyClients:warning", "--threshold", "160", "--since", "2h59m",
        "--prometheus", prometheus.url, "--svg", svg, "--json", document,
    )  # fmt: skip
    assert done.stdout.endswith(f"wrote {svg}\nwrote {document}\n")
    found = json.loads(document.read_text())
    assert [one["fired"] for one in found["variants"]] == [4, 2]
    assert [len(one["firings"]) for one in found["variants"]] == [4, 2]
    assert found["variants"][0]["judged"] is None
    assert found["variants"][0]["firings"][0]["labels"] == {"target": "cache"}
    assert len(found["known"]) == 2
    texts = [one.text for one in ET.fromstring(svg.read_text()).iter() if one.text]  # noqa: S314
    assert {"today > 100", "proposed > 160", "time, UTC", 'target="cache"'} <= {*texts}


def test_raw_promql_is_replayed_as_a_whole_and_drawn_without_a_value(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    svg = tmp_path / "a.svg"
    done = run("ManyDown", "--for", "2m", "--since", "1h", "--prometheus", prometheus.url,
               "--svg", svg)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert row(done, "threshold") == ["none", "none"]
    assert row(done, "for") == ["1m", "2m"]
    texts = {one.text for one in ET.fromstring(svg.read_text()).iter()}  # noqa: S314
    assert {"today", "proposed", "fires"} <= texts


def test_what_always_fires_has_begun_before_goes_on_and_is_not_counted_in_gaps(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    document = tmp_path / "a.json"
    done = run("Watchdog", "--since", "2h59m", "--prometheus", prometheus.url, "--json", document)
    assert row(done, "fired") == ["1"]
    (found,) = json.loads(document.read_text())["variants"][0]["firings"]
    assert found["beganBefore"]
    assert found["goesOn"]
    assert found["seconds"] == (2 * 60 + 59) * 60 - len(GAP) * STEP
