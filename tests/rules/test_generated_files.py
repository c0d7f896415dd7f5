"""What is generated: goldens of a tiny platform, the same bytes every time, all from the config.

UPDATE_GOLDENS=1 writes the goldens anew; look at what changed before you commit it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from model.load import load
from rules.compile import compile_files
from rules.output import HEADER, Files

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"


def tiny_files() -> Files:
    files = compile_files(load(HERE / "tiny_config.py"))
    # Dashboards have tests of their own, which say more than their JSON does.
    return {path: text for path, text in files.items() if not path.endswith(".json")}


def test_the_tiny_platform_yields_its_goldens() -> None:
    files = tiny_files()
    if os.environ.get("UPDATE_GOLDENS"):
        for path, text in files.items():
            (GOLDEN / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / path).write_text(text)
    stored = {
        path.relative_to(GOLDEN).as_posix(): path.read_text()
        for path in GOLDEN.rglob("*")
        if path.is_file()
    }
    assert files.keys() == stored.keys()
    for path, text in files.items():
        assert text == stored[path], f"{path}: if that is meant, run with UPDATE_GOLDENS=1"


def test_goldens_hold_nothing_that_changes_by_itself() -> None:
    for path, text in tiny_files().items():
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b(?! 15:04:05)", text.replace("2006-01-02", ""))
        assert not re.search(r"\b[0-9a-f]{64}\b", text), path


def test_two_processes_yield_the_same_bytes() -> None:
    program = (
        "import sys; from pathlib import Path; from model.load import load;"
        "from rules.compile import compile_files;"
        "sys.stdout.write(repr(compile_files(load(Path('config.py')))))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("0", "3017")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 10_000


def test_what_is_committed_was_generated_from_the_config() -> None:
    files = compile_files(load(ROOT / "config.py"))
    stale = [path for path, text in files.items() if (ROOT / path).read_text() != text]
    assert not stale, "run make rules"


def test_every_file_says_that_it_is_generated() -> None:
    for path, text in compile_files(load(ROOT / "config.py")).items():
        # JSON has no comments; Grafana's dashboards say it in their description.
        start = json.loads(text)["description"] if path.endswith(".json") else text[:200]
        assert HEADER in start, path


def test_yaml_is_read_back_as_it_was_meant() -> None:
    # Durations, times and yes/no are what YAML readers like to take for something else.
    document = yaml.safe_load(tiny_files()["alertmanager/alertmanager.yml"])
    (interval,) = document["time_intervals"][0]["time_intervals"]
    assert interval["times"] == [{"start_time": "09:00", "end_time": "18:00"}]
    assert interval["location"] == "Europe/Berlin"
    assert document["route"]["routes"][1]["group_interval"] == "1m"


# --- a service is one line ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """The files of config.py, and of the same with one more line."""
    text = (ROOT / "config.py").read_text()
    last = '    Service(name="api-gateway", port=3020, exposes=HTTP_SERVER),\n'
    assert last in text
    more = text.replace(last, last + '    Service(name="loyalty-service", port=3021),\n')
    file = tmp_path_factory.mktemp("grown") / "config.py"
    file.write_text(more)
    return compile_files(load(ROOT / "config.py")), compile_files(load(file))


def test_a_service_added_by_one_line_is_missed_when_nobody_probes_it(
    grown: tuple[Files, Files],
) -> None:
    counts = [
        re.findall(r"count\(.*\) < (\d+)", files["rules/generated/availability.rules.yml"])
        for files in grown
    ]
    assert int(counts[1][0]) == int(counts[0][0]) + 1


def test_a_service_added_by_one_line_is_in_the_unit_tests_of_its_alerts(
    grown: tuple[Files, Files],
) -> None:
    tests = [
        test
        for path, text in grown[1].items()
        if path.startswith("rules/generated/availability") and path.endswith(".test.yml")
        for test in yaml.load(text, yaml.CSafeLoader)["tests"]
    ]
    firing = {
        (one["alertname"], expected["exp_labels"]["target"])
        for test in tests
        for one in test["alert_rule_test"]
        for expected in one["exp_alerts"]
        if "target" in expected["exp_labels"]
    }
    # Of others, which treat all targets alike, two stand for all.
    for name in ("ServiceDown", "ServiceDegraded"):
        assert (name, "loyalty-service") in firing


def test_a_service_added_by_one_line_can_be_chosen_on_the_dashboard(
    grown: tuple[Files, Files],
) -> None:
    (text,) = (text for path, text in grown[1].items() if path.endswith("overview.json"))
    variables = json.loads(text)["templating"]["list"]
    (service,) = (one for one in variables if one["name"] == "service")
    query = json.dumps(service["query"])
    # Either Grafana asks Prometheus which there are, or the names are written down.
    assert "label_values(" in query or "loyalty-service" in query


def test_a_service_added_by_one_line_needs_no_other_file(grown: tuple[Files, Files]) -> None:
    before, after = grown
    assert before.keys() == after.keys()
