"""`python -m rules diff`: what a change means for the people on call, from a real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from routed import SOURCE

import rules.__main__ as command
from model.load import load
from rules.compile import compile_files
from rules.writer import write


class Repository:
    """A git repository with a config and what was generated from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "config.py"
        self.config.write_text(SOURCE)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        command_line = ["git", *who, "-c", "commit.gpgsign=false", *arguments]
        subprocess.run(command_line, cwd=self.directory, check=True, capture_output=True)

    def commit(self, subject: str = "Watch the shop") -> None:
        """Generate everything and commit it."""
        write(compile_files(load(self.config)), self.directory)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)

    def change(self, *changes: tuple[str, str]) -> None:
        """Replace texts of the config, which is not committed."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        self.config.write_text(text)

    def diff(self, revision: str = "HEAD") -> Result:
        environment = {"MONITORING_CONFIG": str(self.config)}
        return CliRunner().invoke(command.main, ["diff", revision], env=environment)

    def told(self, *changes: tuple[str, str]) -> str:
        """What is told of changes, every run of blanks and line breaks as one blank."""
        self.change(*changes)
        done = self.diff()
        assert done.exit_code == 1, done.output
        return " ".join(done.stdout.split())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    made = Repository(tmp_path)
    made.commit()
    return made


# --- what cannot be told ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no-such-branch", "HEAD~99", "--upload-pack=x", "HEAD:config.py"])
def test_a_revision_that_is_none_is_refused(repository: Repository, name: str) -> None:
    environment = {"MONITORING_CONFIG": str(repository.config)}
    done = CliRunner().invoke(command.main, ["diff", "--", name], env=environment)
    assert done.exit_code == 2
    assert done.stderr == f'rules: there is no revision "{name}"; git log lists them\n'


def test_outside_of_a_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    config = tmp_path / "config.py"
    config.write_text(SOURCE)
    done = CliRunner().invoke(
        command.main, ["diff", "HEAD"], env={"MONITORING_CONFIG": str(config)}
    )
    assert done.exit_code == 2
    assert "is not in a git working tree" in done.stderr


def test_without_git_it_says_so(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    done = repository.diff()
    assert done.exit_code == 2
    assert done.stderr == "rules: git is not on the PATH, so that no revision can be read\n"


def test_a_revision_without_generated_files_is_refused(repository: Repository) -> None:
    repository.git("rm", "--quiet", "-r", "--cached", "rules", "alertmanager")
    repository.git("commit", "--quiet", "--message", "Forget the rules")
    done = repository.diff()
    assert done.exit_code == 2
    assert "Forget the rules: has no generated rules and routes" in done.stderr


def test_files_that_are_not_understood_are_refused_with_what_is_wrong(
    repository: Repository,
) -> None:
    routes = repository.directory / "alertmanager/alertmanager.yml"
    routes.write_text(routes.read_text().replace("group_wait:", "group_weight:", 1))
    repository.git("commit", "--quiet", "--all", "--message", "Spoil the routes")
    done = repository.diff()
    assert done.exit_code == 2
    assert "Spoil the routes: its generated files are not such as are read here" in done.stderr
    assert "group_weight is not understood" in done.stderr


def test_a_config_that_is_wrong_is_told_as_ever(repository: Repository) -> None:
    repository.change(('severity="error"', 'severity="eror"'))
    done = repository.diff()
    assert done.exit_code == 2
    assert 'there is no severity "eror"' in done.stderr


# --- nothing ------------------------------------------------------------------------------------


def test_nothing_changed_ends_with_0(repository: Repository) -> None:
    done = repository.diff()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].endswith("Watch the shop")
    assert lines[-1] == "nothing changed for the people on call"


def test_what_only_machines_notice_is_nothing(repository: Repository) -> None:
    repository.change(
        ("from model import *", "from model import *  # everything"),
        ('Service(name="files", port=82)', 'Service(name="files", port=83)'),
    )
    assert repository.diff().exit_code == 0


# --- alerts -------------------------------------------------------------------------------------


def test_a_threshold_that_moved(repository: Repository) -> None:
    told = repository.told(('kind="http") > "0.5"', 'kind="http") > "0.6"'))
    assert "ServiceDegraded (warning) threshold: > 0.5 -> > 0.6" in told
    assert "fires when" not in told


def test_a_time_that_moved(repository: Repository) -> None:
    told = repository.told(("for_=seconds(0)", "for_=minutes(2)"))
    assert "ServiceDown (critical) for: 0s -> 2m" in told


def test_another_condition(repository: Repository) -> None:
    told = repository.told(("observed(metrics.REDIS_UP)", "observed(metrics.PG_UP)"))
    assert "CacheDown (critical) fires when: avg by (target) (redis_up) < 0.5" in told
    assert "-> avg by (target) (pg_up) < 0.5" in told


def test_another_severity_reaches_other_people(repository: Repository) -> None:
    old = 'severity="warning",\n            inhibited'
    told = repository.told((old, old.replace("warning", "error")))
    assert "ServiceDegraded (error) severity: warning -> error" in told
    assert "told Tuesday 11:00: also email ops@example.org" in told
    assert "told Sunday 03:00: also email ops@example.org" in told


def test_an_alert_that_came_and_one_that_went(repository: Repository) -> None:
    told = repository.told(('name="CacheDown"', 'name="CacheGone"'))
    assert "new alert CacheGone (critical) says: It is down fires when:" in told
    assert "alert CacheDown (critical) is gone told at any hour: email ops@example.org" in told


def test_another_text_of_the_message(repository: Repository) -> None:
    told = repository.told(("is degraded", "is not well"))
    assert ("summary: {{ $labels.target }} is degraded -> {{ $labels.target }} is not well") in told


def test_another_runbook(repository: Repository) -> None:
    old = 'summary="Many refunds",'
    told = repository.told((old, f'{old} actions=("Call the bank.",),'))
    assert "its runbook tells to do something else: docs/alerts/RefundsHigh.md" in told


# --- people -------------------------------------------------------------------------------------


def test_receivers_that_change_by_the_hour(repository: Repository) -> None:
    told = repository.told(
        ('channels=("email",), business_hours_only=True', 'channels=("email",)'),
    )
    assert "TrafficSpike (info) told Sunday 03:00: also slack #ops" in told
    assert "told Tuesday 11:00" not in told


def test_another_address(repository: Repository) -> None:
    told = repository.told(("ops@example.org", "night@example.org"))
    assert "also email night@example.org; no longer email ops@example.org" in told


def test_another_repeat_interval(repository: Repository) -> None:
    told = repository.told(("repeat_interval=minutes(60)", "repeat_interval=minutes(90)"))
    assert "RefundsHigh (warning) repeated every: 1h -> 1h30m" in told


def test_a_ladder_that_changed(repository: Repository) -> None:
    told = repository.told(("after=minutes(10)", "after=minutes(20)"))
    assert (
        "escalation of critical no longer: after 10m to manager: Tuesday 11:00 email "
        "manager@example.org; Sunday 03:00 email manager@example.org now: after 20m to manager"
    ) in told


def test_somebody_else_comes_next_at_night_only(repository: Repository) -> None:
    told = repository.told(("/run/night", "/run/night_shift"))
    assert "now: after 5m to lead: Tuesday 11:00 email lead@example.org; Sunday 03:00" in told
    assert "pagerduty (night_shift)" in told


def test_other_business_hours(repository: Repository) -> None:
    told = repository.told(("start=9, end=18", "start=8, end=18"))
    assert "when: Mon,Tue,Wed,Thu,Fri 09:00-18:00 Europe/Berlin -> Mon,Tue" in told
    assert "08:00-18:00" in told


def test_what_is_silenced_by_what(repository: Repository) -> None:
    told = repository.told(('depends_on=("db", "cache")', 'depends_on=("cache",)'))
    assert 'what silences what no longer: alerts with severity="critical"' in told
    assert 'dependency_db="db"' in told


# --- what is watched ----------------------------------------------------------------------------


def test_services_that_came_and_went(repository: Repository) -> None:
    told = repository.told(('Service(name="files"', 'Service(name="archive"'))
    assert "what is watched added: http archive removed: http files" in told


def test_a_maintenance_that_was_announced(repository: Repository) -> None:
    window = (
        'maintenance=(Maintenance(targets=("web",), start="2026-12-05 22:00", '
        'end="2026-12-06 01:30", reason="new disk"),),\n    severities=('
    )
    told = repository.told(("severities=(", window))
    assert "maintenance now: 2026-12-05 22:00 to 2026-12-06 01:30 UTC: web (new disk)" in told


def test_other_intervals(repository: Repository) -> None:
    watched = "watched_by=Prometheus(evaluation_interval=seconds(10)),\n    base_url="
    told = repository.told(("base_url=", watched))
    assert "what is watched evaluation interval: 5s -> 10s" in told


def test_a_revision_from_before_there_were_pages_says_what_is_not_known(
    repository: Repository,
) -> None:
    repository.git("rm", "--quiet", "-r", "docs")
    repository.git("commit", "--quiet", "--message", "Without pages")
    done = repository.diff()
    assert done.exit_code == 0, done.output
    assert "Which services were added or removed is not known" in done.stdout


def test_an_older_revision_is_compared_with_the_config_as_it_stands(
    repository: Repository,
) -> None:
    repository.change(("after=minutes(10)", "after=minutes(20)"))
    repository.commit("Leave the manager in peace")
    assert repository.diff("HEAD").exit_code == 0
    assert repository.diff("HEAD~1").exit_code == 1
