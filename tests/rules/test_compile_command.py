"""`python -m rules`: proves first, writes all or nothing, and tells what differs."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import rules.__main__ as command
from rules.output import HEADER, Files
from rules.prove import Proof
from rules.writer import differences, write

HERE = Path(__file__).resolve().parent
TINY = HERE / "tiny_config.py"
RULES = "rules/generated/availability.rules.yml"


def run(*arguments: str, **environment: str) -> Result:
    given = {"MONITORING_CONFIG": str(TINY), **environment}
    return CliRunner().invoke(command.main, arguments, env=given)


def compiled(output: Path, config: Path = TINY) -> Result:
    return run("--output", str(output), MONITORING_CONFIG=str(config))


def checked(output: Path, config: Path = TINY) -> Result:
    return run("--check", "--output", str(output), MONITORING_CONFIG=str(config))


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def spoilt(directory: Path, old: str, new: str) -> Path:
    """The tiny config with one thing changed."""
    text = TINY.read_text()
    assert old in text
    file = directory / "config.py"
    file.write_text(text.replace(old, new))
    return file


@pytest.fixture
def proofless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proofs, which other tests see run: they take seconds."""
    proved = [Proof("proved elsewhere")]
    monkeypatch.setattr(command, "prove", lambda _platform, _files, **_options: proved)


# --- writing ------------------------------------------------------------------------------------


def test_everything_is_proved_and_written_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    assert first.exit_code == 0, first.output
    for claim in (
        "no secret stands in a generated file",
        "promtool check rules: 4 files",
        "tests of 8 alerts",
        "promtool check config",
        "amtool check-config",
        "label sets reach exactly their people, Tuesday 11:00 and Sunday 03:00",
    ):
        assert claim in first.stdout
    before = content(tmp_path)
    assert RULES in before
    second = compiled(tmp_path)
    assert "0 changed" in second.stdout
    assert content(tmp_path) == before


@pytest.mark.usefixtures("proofless")
def test_other_users_may_read_what_is_written(tmp_path: Path) -> None:
    compiled(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o644}


@pytest.mark.usefixtures("proofless")
def test_what_is_no_longer_generated_is_removed_and_nothing_else(tmp_path: Path) -> None:
    compiled(tmp_path)
    old, own = tmp_path / "rules/generated/old.rules.yml", tmp_path / "rules/generated/own.yml"
    old.write_text(f"# {HEADER}\ngroups: []\n")
    own.write_text("groups: []\n")
    assert "removed rules/generated/old.rules.yml" in compiled(tmp_path).stdout
    assert not old.exists()
    assert own.exists()


# --- a proof that fails -------------------------------------------------------------------------


def program(directory: Path, says: str, code: int) -> str:
    file = directory / "program"
    file.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("variable", ["PROMTOOL", "AMTOOL"])
def test_nothing_is_written_if_a_proof_fails(variable: str, tmp_path: Path) -> None:
    broken = program(tmp_path, "this is wrong", 1)
    done = run("--output", str(tmp_path / "out"), **{variable: broken})
    assert done.exit_code == 1
    assert "FAIL" in done.stderr
    assert "this is wrong" in done.stderr
    assert done.stderr.endswith("rules: nothing was written: a proof failed\n")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_if_a_program_is_missing(tmp_path: Path) -> None:
    done = run("--output", str(tmp_path / "out"), PROMTOOL="/nonexistent/promtool")
    assert done.exit_code == 1
    assert done.stderr.startswith("rules: PROMTOOL=/nonexistent/promtool: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minutes(5)) > 1,", "minutes(5)) > 2,", "can never be 2.2: the last bucket ends at 2.0"),
        ("{{ $value | humanizeDuration }}", "{{ $value | title }}", "cannot be tested; write"),
        (
            "expr=Always(),\n            for_=seconds(0)",
            "expr=Count(observed(metrics.PG_UP)) > 1,\n            for_=minutes(1)",
            "there are only 1",
        ),
    ],
    ids=["quantile", "template", "count"],
)
def test_an_alert_that_cannot_be_tested_is_a_mistake_of_the_config(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    config = spoilt(tmp_path, old, new)
    config.write_text(
        config.read_text()
        .replace("    Contact,\n", "    Contact,\n    Count,\n")
        .replace("severity=None", 'severity="info"' if "Count" in new else "severity=None")
    )
    done = compiled(tmp_path / "out", config)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"{config}:")
    assert message in done.stderr
    assert 'Alert "' in done.stderr
    assert not (tmp_path / "out").exists()


# --- a disk that fails --------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is full: writing beyond it is an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_half_way_leaves_the_old_files(tmp_path: Path) -> None:
    old: Files = {"grafana/a.yml": "old a", "grafana/b.yml": "old b"}
    write(old, tmp_path)
    new = {"grafana/a.yml": "new a", "grafana/b.yml": "b" * 10_000, "grafana/c.yml": "new"}
    with files_no_larger_than(5_000), pytest.raises(OSError, match="File too large"):
        write(new, tmp_path)
    assert content(tmp_path) == {path: text.encode() for path, text in old.items()}


@pytest.mark.usefixtures("proofless")
def test_a_disk_that_fails_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "grafana").write_text("in the way")
    done = compiled(tmp_path)
    assert done.exit_code == 1
    assert done.stderr.startswith("rules: nothing was written: ")
    assert len(done.stderr.splitlines()) == 1
    assert content(tmp_path) == {"grafana": b"in the way"}


# --- --check ------------------------------------------------------------------------------------


def test_check_is_content_with_what_was_written_and_writes_nothing(tmp_path: Path) -> None:
    compiled(tmp_path)
    before = content(tmp_path)
    done = checked(tmp_path)
    assert done.exit_code == 0, done.output
    assert "generated files are what the config says" in done.stdout
    assert content(tmp_path) == before


@pytest.mark.usefixtures("proofless")
def test_check_shows_the_file_and_the_difference_of_a_changed_threshold(tmp_path: Path) -> None:
    compiled(tmp_path / "out")
    before = content(tmp_path / "out")
    done = checked(tmp_path / "out", spoilt(tmp_path, '< "0.5"', '< "0.4"'))
    assert done.exit_code == 1
    assert f"--- {RULES} (on disk)\n+++ {RULES} (from the config)" in done.stderr
    line = 'expr: avg by (target) (probe_success{kind="http"}) < 0.'
    for sign, digit in ("-5", "+4"):
        assert f"\n{sign}    {line}{digit} unless on (target)" in done.stderr
    assert done.stderr.endswith("generated files differ from the config: run make rules\n")
    assert content(tmp_path / "out") == before


@pytest.mark.usefixtures("proofless")
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda file: file.write_text(file.read_text() + "# mine\n"), "-# mine"),
        (lambda file: file.write_bytes(b"\xff\xfe"), f"--- {RULES} (on disk)"),
        (lambda file: file.unlink(), f"+# {HEADER}"),
        (
            lambda file: (file.parent / "old.rules.yml").write_text(f"# {HEADER}\n"),
            "rules/generated/old.rules.yml: is no longer generated",
        ),
    ],
    ids=["edited", "no text", "missing", "left over"],
)  # fmt: skip
def test_check_fails_on_a_file_that_is_not_as_generated(
    harm: object, told: str, tmp_path: Path
) -> None:
    compiled(tmp_path)
    assert callable(harm)
    harm(tmp_path / RULES)
    done = checked(tmp_path)
    assert done.exit_code == 1
    assert told in done.stderr


@pytest.mark.usefixtures("proofless")
def test_check_of_an_empty_directory_misses_every_file(tmp_path: Path) -> None:
    done = checked(tmp_path)
    assert done.exit_code == 1
    assert done.stderr.count("(from the config)") > 8
    assert content(tmp_path) == {}


def test_a_long_difference_is_cut_and_says_so(tmp_path: Path) -> None:
    text = "".join(f"{number}\n" for number in range(100))
    (found,) = differences({"a.yml": text}, tmp_path)
    assert found.endswith("more lines")
    assert len(found.splitlines()) == 61


# --- alerts that could never fire ---------------------------------------------------------------


def test_an_alert_about_what_the_platform_lacks_is_refused_with_its_place(tmp_path: Path) -> None:
    config = spoilt(tmp_path, 'postgres=(Postgres(name="db", url="postgresql://db/shop"),),', "")
    line = config.read_text().partition('name="DatabaseSlow"')[0].count("\n")
    result = checked(tmp_path / "out", config)
    assert result.exit_code != 0
    assert (
        f'{config}:{line}: Alert "DatabaseSlow": the platform has nothing that its condition is '
        "about, so that it can never fire; remove it, or declare what it watches"
    ) in result.output
    assert "Traceback" not in result.output
