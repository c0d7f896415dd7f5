"""What promtool has proved before is not proved again, unless anything at all has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs import find
from programs.find import identity
from rules.memory import Memory, proof_key
from rules.output import Files
from rules.prove_unit_tests import unit_tests_pass

RULES = "rules/generated/one.rules.yml"
TEST = "rules/generated/one.test.yml"
FILES = {
    RULES: 'groups: [{name: one, rules: [{alert: Down, expr: "up < 1"}]}]\n',
    TEST: """\
rule_files:
- one.rules.yml
evaluation_interval: 5s
tests:
- interval: 5s
  input_series: [{series: up, values: "0"}]
  alert_rule_test:
  - {eval_time: 0s, alertname: Down, exp_alerts: [{}]}
""",
}

Said = tuple[str, list[str]]


def proved(files: Files, directory: Path, memory: Memory) -> Said:
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    proof = unit_tests_pass(find("promtool"), directory, files, 1, memory)
    return proof.claim, proof.objections


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    (tmp_path / "proved").mkdir()
    return Memory(tmp_path / "proved")


RUN: Said = ("promtool test rules: 1 tests of 1 alerts", [])
REMEMBERED: Said = ("promtool test rules: 1 tests of 1 alerts, 1 proved before", [])


def test_what_has_passed_is_not_run_again_and_the_report_says_so(
    tmp_path: Path, memory: Memory
) -> None:
    assert proved(FILES, tmp_path, memory) == RUN
    assert proved(FILES, tmp_path, memory) == REMEMBERED


def test_without_a_memory_everything_is_run_every_time(tmp_path: Path) -> None:
    for _ in range(2):
        assert proved(FILES, tmp_path, Memory(None)) == RUN


def test_a_failure_is_never_remembered(tmp_path: Path, memory: Memory) -> None:
    wrong = {**FILES, RULES: FILES[RULES].replace("< 1", "> 1")}
    for _ in range(2):
        _, objections = proved(wrong, tmp_path, memory)
        assert any("Down" in text for text in objections)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [(RULES, "up < 1", "up < 2"), (TEST, 'values: "0"', 'values: "0 0"')],
    ids=["rules", "test"],
)
def test_a_changed_file_is_proved_anew(
    path: str, old: str, new: str, tmp_path: Path, memory: Memory
) -> None:
    proved(FILES, tmp_path, memory)
    assert proved({**FILES, path: FILES[path].replace(old, new)}, tmp_path, memory) == RUN


@pytest.mark.parametrize("content", [b"", b"0" * 65, b"\xff\x00"])
def test_a_spoilt_memory_proves_anew(content: bytes, tmp_path: Path, memory: Memory) -> None:
    proved(FILES, tmp_path, memory)
    assert memory.directory is not None
    (file,) = memory.directory.iterdir()
    file.write_bytes(content)
    assert proved(FILES, tmp_path, memory) == RUN
    assert proved(FILES, tmp_path, memory) == REMEMBERED


def test_a_memory_that_vanishes_proves_anew(tmp_path: Path, memory: Memory) -> None:
    proved(FILES, tmp_path, memory)
    assert proved(FILES, tmp_path, Memory(tmp_path / "gone")) == RUN


def test_another_program_has_proved_nothing_yet(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"\x7fELF")
    other.write_bytes(b"\x7fELF")
    keys = {proof_key(one, "text"), proof_key(other, "text")}
    one.write_bytes(b"\x7fELF of another version")
    assert len(keys | {proof_key(one, "text")}) == 3
    assert proof_key(other, "text") in keys


def test_a_launcher_is_known_by_the_program_behind_it() -> None:
    told = identity(find("promtool"))
    assert told is not None
    assert "/launchers/" not in told


def test_what_a_script_has_proved_is_not_remembered(tmp_path: Path) -> None:
    script = tmp_path / "promtool"
    script.write_text("#!/bin/sh\nexec other\n")
    assert proof_key(script, "text") is None
