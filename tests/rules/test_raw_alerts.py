"""Alerts on raw PromQL: their examples become unit tests, and wrong examples are told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from model import Alert, Fires, Quiet, Raw, minutes, seconds
from model.declared import ConfigError
from model.load import load
from programs import find
from rules import alerts, unit_tests
from rules.__main__ import main
from rules.raw.check import problems

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).parent / "tiny_config.py"
PARTS = {
    "text": "'avg by (target) (pg_up) < 0.5'",
    "cases": """(
        Fires(series={'pg_up{target="db"}': "1x1 0x20"}, labels={"target": "db"}, value=0,
              since=seconds(10), until=minutes(1)),
        Quiet(series={'pg_up{target="db"}': "1x20"}, at=minutes(1)),
    )""",
    "for_": "seconds(10)",
    "keep": "seconds(20)",
    "no_data": "'quiet'",
    "description": "'{{ $labels.target }} is at {{ $value }}.'",
}


def config(tmp_path: Path, **parts: str) -> Path:
    """The tiny platform, with its alerts replaced by one on raw PromQL."""
    said = {**PARTS, **parts}
    alert = f"""Alert(
            name="DatabaseGone", group="databases", severity="info", no_data={said["no_data"]},
            for_={said["for_"]}, keep_firing_for={said["keep"]}, service="db",
            summary="It is gone", description={said["description"]},
            expr=Raw({said["text"]}, cases={said["cases"]}),
        ),
    """
    before, _, after = TINY.read_text().partition("    alerts=(\n")
    after = after.partition("    base_url=")[2]
    text = f"{before}    alerts=({alert}),\n    base_url={after}"
    file = tmp_path / "shop.py"
    file.write_text(text.replace("from model import (", "from model import (Fires, Quiet, Raw,"))
    return file


def mistakes(tmp_path: Path, **parts: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(config(tmp_path, **parts), problems)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in raised.value.problems]


def promtool(directory: Path, file: Path) -> subprocess.CompletedProcess[str]:
    platform = load(file, problems)
    for path, text in {**alerts.build(platform), **unit_tests.build(platform)}.items():
        (directory / Path(path).name).write_text(text)
    return subprocess.run(
        [find("promtool"), "test", "rules", "databases.test.yml"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- mistakes -----------------------------------------------------------------------------------


def test_a_mistake_names_the_line_of_the_config_and_the_place_in_the_text(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, text="'avg by (target) (pg_upp) < 0.5'")
    line = next(
        number
        for number, text in enumerate((tmp_path / "shop.py").read_text().splitlines(), 1)
        if "Raw('" in text
    )
    assert mistake == (
        f'shop.py:{line}: Alert "DatabaseGone": expr, column 18: there is no metric "pg_upp"; '
        'did you mean "pg_up"?'
    )


def test_mistakes_in_raw_promql_are_told_together_with_all_others(tmp_path: Path) -> None:
    file = config(tmp_path, text="'avg(pg_upp) < 1'")
    file.write_text(file.read_text().replace('severity="info"', 'severity="inof"'))
    with pytest.raises(ConfigError) as raised:
        load(file, problems)
    assert [line.what for line in raised.value.problems] == [
        'Alert "DatabaseGone": there is no severity "inof"; did you mean "info"?',
        'Alert "DatabaseGone": expr, column 5: there is no metric "pg_upp"; did you mean "pg_up"?',
    ]


@pytest.mark.parametrize("setting", ["description", "summary", "service"])
def test_a_label_that_an_aggregation_loses_is_told_where_a_text_uses_it(
    tmp_path: Path, setting: str
) -> None:
    file = config(tmp_path, description='"Gone."')
    name = {"description": '"Gone."', "summary": '"It is gone"', "service": 'service="db"'}[setting]
    used = name.replace('"Gone."', '"{{ $labels.instance }}"')
    used = used.replace('"It is gone"', '"{{ $labels.instance }}"')
    used = used.replace('"db"', '"{{ $labels.instance }}"')
    file.write_text(file.read_text().replace(name, used))
    with pytest.raises(ConfigError, match=f"{setting}: the expression has no label 'instance'"):
        load(file, problems)


@pytest.mark.parametrize(
    ("parts", "mistake"),
    [
        ({"cases": "()"}, "cases: no Fires(…): what makes raw PromQL true cannot be worked out"),
        ({"cases": "()"}, "cases: no Quiet(…)"),
        ({"no_data": '"fires"'}, 'cases: no_data is "fires": write Fires(series={}, …)'),
        (
            {"cases": '(Fires(series={\'pg_up{target="db"}\': "0x9"}, labels={"target": "db"}),)'},
            "cases: keep_firing_for is set: give a Fires(…) an until",
        ),
        (
            {"cases": "(Fires(series={'pg_upp{target=\"db\"}': '0x9'}, labels={}),)"},
            'cases, Fires (1): there is no metric "pg_upp"; did you mean "pg_up"?',
        ),
        (
            {"cases": "(Quiet(series={'pg_up{tagret=\"db\"}': '0x9'}, at=minutes(1)),)"},
            'cases, Quiet (1): pg_up has no label "tagret"; did you mean "target"?',
        ),
        (
            {"cases": "(Quiet(series={'pg_up': '0x9'}, at=minutes(1)),)"},
            'cases, Quiet (1): pg_up: lacks the label "target", which every series of pg_up has',
        ),
        (
            {"cases": "(Quiet(series={'pg_up{target=~\"db\"}': '0x9'}, at=minutes(1)),)"},
            'is no series; write name{label="value"}',
        ),
        (
            {"cases": "(Quiet(series={'pg_up{target=\"db}': '0x9'}, at=minutes(1)),)"},
            "a string that never ends",
        ),
        (
            {"cases": "(Quiet(series={'pg_up{target=\"db\"}': '0x9 zero'}, at=minutes(1)),)"},
            '"zero" is no value; write promtool\'s notation, such as 1+0x10',
        ),
        (
            {"cases": "(Quiet(series={'pg_up{target=\"db\"}': '1x9'}, at=seconds(5)),)"},
            "cases, Quiet (1): at 5s it is quiet whatever the expression says",
        ),
        (
            {"cases": "(Fires(series={}, labels={'target': 'db'}, until=seconds(10)),)"},
            "until: is not after since and `for`",
        ),
        (
            {"cases": "(Fires(series={}, labels={}),)"},
            'labels: the result has a label "target", which is missing here',
        ),
        (
            {"cases": "(Fires(series={}, labels={'target': 'db', 'kind': 'x'}),)"},
            'labels: the result has no label "kind"',
        ),
        (
            {"cases": "(Fires(series={}, labels={'target': 'db'}, value=0.5),)"},
            "Fires: value: 0.5 is a float; write Decimal('0.5') or '0.5'",
        ),
        ({"text": "'pg_up < 1') < 5 or Raw('pg_up'"}, "Raw is a whole condition"),
    ],
)
def test_a_wrong_example_is_told(tmp_path: Path, parts: dict[str, str], mistake: str) -> None:
    found = mistakes(tmp_path, **parts)
    assert any(mistake in one for one in found), found


# --- the example that people read ---------------------------------------------------------------


def test_the_example_of_the_readme_compiles_and_its_tests_notice_every_change(
    tmp_path: Path,
) -> None:
    (example,) = re.findall(
        r"```python\n(    Alert\((?:(?!```).)*?Raw\(.*?)```",
        (ROOT / "README.md").read_text(),
        re.DOTALL,
    )
    text = (ROOT / "config.py").read_text().replace("\nALERTS = (\n", f"\nALERTS = (\n{example}")
    file = tmp_path / "config.py"
    file.write_text(text.replace("from model import (", "from model import (Fires, Quiet, Raw,"))
    result = CliRunner(env={"MONITORING_CONFIG": str(file)}).invoke(
        main, ["mutate", "ManyTargetsDown"]
    )
    assert result.exit_code == 0, result.output


# --- unit tests ---------------------------------------------------------------------------------


def test_examples_become_unit_tests_of_both_sides_of_for_and_of_its_end(tmp_path: Path) -> None:
    platform = load(config(tmp_path), problems)
    (text,) = unit_tests.build(platform).values()
    tests = yaml.safe_load(text)["tests"]
    told = [
        (one["eval_time"], bool(one["exp_alerts"]))
        for test in tests
        for one in test["alert_rule_test"]
    ]
    assert told == [
        ("15s", False),
        ("20s", True),
        ("1m15s", True),
        ("1m20s", False),
        ("1m", False),
        ("15s", False),  # no data
    ]


def test_promtool_agrees_with_right_examples(tmp_path: Path) -> None:
    cases = PARTS["cases"].replace("1x1 0x20", "1x1 0x9 1x20")
    done = promtool(tmp_path, config(tmp_path, cases=cases))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1x1 0x9 1x20", "1x3 0x7 1x20"),
        ("1x1 0x9 1x20", "1x1 0x8 1x21"),
        ("1x1 0x9 1x20", "1x1 0.4x9 1x20"),
        ("1x20", "0x20"),
    ],
)
def test_promtool_objects_to_examples_that_are_not_so(
    tmp_path: Path, right: str, wrong: str
) -> None:
    cases = PARTS["cases"].replace("1x1 0x20", "1x1 0x9 1x20")
    cases = cases.replace(f'"{right}"', f'"{wrong}"')
    assert promtool(tmp_path, config(tmp_path, cases=cases)).returncode != 0


def test_no_data_that_fires_is_an_example_too(tmp_path: Path) -> None:
    cases = """(
        Fires(series={}, labels={"target": "db"}),
        Quiet(series={'pg_up{target="db"}': "0x20"}, at=minutes(1)),
    )"""
    done = promtool(
        tmp_path,
        config(
            tmp_path,
            text="""'absent(pg_up{target="db"})'""",
            cases=cases,
            keep="seconds(0)",
            no_data="'fires'",
        ),
    )
    assert done.returncode == 0, done.stdout


def test_the_exporter_does_not_load_the_parser(tmp_path: Path) -> None:
    file = config(tmp_path)
    code = f"import sys, pathlib; from model.load import load; load(pathlib.Path({str(file)!r}))"
    code += "; sys.exit('promql_parser' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_outside_a_config_an_alert_on_raw_promql_can_be_made() -> None:
    alert = Alert(
        name="Gone",
        group="databases",
        expr=Raw("absent(pg_up)", cases=(Quiet(series={}, at=seconds(5)), Fires(series={}))),
        for_=minutes(1),
        severity="info",
        summary="Gone",
        description="Gone.",
    )
    assert str(alert.expr) == "absent(pg_up)"
