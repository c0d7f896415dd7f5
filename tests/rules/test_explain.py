"""`python -m rules explain`: one alert, on one screen."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import rules.__main__ as command
from model.load import load
from model.platform import Platform
from rules.compile import compile_files
from rules.explain import UnknownAlertError, explain
from rules.output import Files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TINY = HERE / "tiny_config.py"
WIDTH = 100


@cache
def compiled(config: Path) -> tuple[Platform, Files]:
    platform = load(config)
    return platform, compile_files(platform)


def of(name: str, config: Path = TINY) -> str:
    """What is told of an alert, every run of blanks and line breaks as one blank."""
    return " ".join(explain(name, *compiled(config)).split())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.main, arguments, env={"MONITORING_CONFIG": str(TINY)})


def test_an_unknown_alert_is_told_with_what_was_probably_meant() -> None:
    done = run("explain", "SerivceDown")
    assert done.exit_code == 1
    assert done.stderr == ('rules: there is no alert "SerivceDown"; did you mean "ServiceDown"?\n')
    assert done.stdout == ""


def test_a_name_that_is_very_long_is_cut() -> None:
    with pytest.raises(UnknownAlertError) as error:
        explain("x" * 10_000, *compiled(TINY))
    assert len(str(error.value)) < 200


def test_the_command_prints_it() -> None:
    done = run("explain", "ServiceDown")
    assert done.exit_code == 0, done.output
    assert done.stdout == explain("ServiceDown", *compiled(TINY)) + "\n"


def test_it_tells_when_the_alert_fires() -> None:
    told = of("ServiceDown")
    assert told.startswith("ServiceDown (critical) {{ $labels.target }} is down")
    assert 'avg by (target) (probe_success{kind="http"}) < 0.5' in told
    assert "threshold < 0.5" in told
    assert "for 10s, keeps firing for 20s; evaluated every 5s" in told


def test_it_tells_who_is_told_by_day_and_by_night() -> None:
    told = of("DatabaseSlow")
    ledger = "webhook https://monitoring.example.org/api/alertmanager/alerts"
    assert f"Tuesday 11:00 slack #ops, {ledger} Sunday 03:00 {ledger} sent" in told
    assert "10s after it fires, one message for each alertname and service" in told
    assert "again every 15m" in told


def test_it_tells_who_comes_next_if_nobody_acknowledges() -> None:
    told = of("ServiceDown")
    assert (
        "not acknowledged for 5m: AlertUnacknowledgedLead Tuesday 11:00 email lead@example.org "
        "Sunday 03:00 pagerduty (pagerduty_night)"
    ) in told
    assert "respond within 5m" in told


def test_it_tells_what_silences_it_and_what_it_silences() -> None:
    config = ROOT / "config.py"
    assert "silenced by nothing silences" in of("ServiceDown", config)
    assert "ServiceDegraded of the same service" in of("ServiceDown", config)
    told = of("SqlMetricsFailing", config)
    assert "silenced by DatabaseDown of the same dependency_postgresql silences nothing" in told


def test_it_tells_what_the_unit_tests_try() -> None:
    told = of("ServiceDown")
    assert "2 series of 1 instance (0.4995+0x6): quiet at 5s, 2 fire at 10s" in told
    assert "(0.5+0x5): quiet at 10m" in told
    assert "without any data: quiet at 10m" in told
    assert "6 series of 3 instances, 2 of which end" in told


def test_it_tells_where_the_page_is() -> None:
    assert of("ServiceDown").endswith(
        "page docs/alerts/ServiceDown.md "
        "served at https://monitoring.example.org/runbooks/ServiceDown"
    )


def test_an_escalation_is_an_alert_too() -> None:
    told = of("AlertUnacknowledgedLead")
    assert "threshold > 300" in told
    assert "Tuesday 11:00 email lead@example.org Sunday 03:00 pagerduty" in told
    assert "Unit tests 1. " in told


def test_what_compares_with_no_number_says_so() -> None:
    assert "threshold none: it is there or not" in of("Watchdog")
    assert "webhook https://switch.example.org/tiny" in of("Watchdog")


@pytest.mark.parametrize("config", [TINY, ROOT / "config.py"])
def test_every_alert_fits_into_100_columns(config: Path) -> None:
    platform, files = compiled(config)
    for alert in platform.alerts:
        for line in explain(alert.name, platform, files).splitlines():
            # What has no blank cannot be broken without being wrong.
            assert len(line) <= WIDTH or re.search(rf"\S{{{WIDTH - 20},}}", line), line
