"""What promtool has proved before is not proved again, unless anything at all has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from model.load import load
from programs import find
from programs.find import identity
from rules.compile import compile_files
from rules.memory import Memory, proof_key
from rules.output import Files
from rules.prove import prove
from rules.prove_unit_tests import unit_tests_pass

TINY = Path(__file__).resolve().parent / "tiny_config.py"
MESSAGES = "alertmanager/templates/monitoring.tmpl"
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


def proved(
    files: Files, directory: Path, memory: Memory, names: Mapping[str, str] | None = None
) -> Said:
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    proof = unit_tests_pass(find("promtool"), directory, files, 1, memory, names or {})
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


def test_what_passes_is_remembered_whatever_becomes_of_the_other_files(
    tmp_path: Path, memory: Memory
) -> None:
    wrong = {
        RULES.replace("one", "two"): FILES[RULES].replace("name: one", "name: two"),
        TEST.replace("one", "two"): FILES[TEST].replace("one", "two").replace('"0"', '"1"'),
    }
    claim, objections = proved({**FILES, **wrong}, tmp_path, memory)
    assert claim == "promtool test rules: 2 tests of 1 alerts"
    assert objections
    assert proved(FILES, tmp_path, memory) == REMEMBERED


def test_a_proof_is_made_once_and_told_as_made_before(memory: Memory) -> None:
    asked: list[int] = []

    def prove() -> list[str]:
        asked.append(1)
        return []

    key = proof_key(find("promtool"), "question", "text")
    claims = [memory.proof("it holds", key, prove).claim for _ in range(2)]
    assert claims == ["it holds", "it holds, proved before"]
    assert len(asked) == 1


def test_an_objection_is_told_again_by_whoever_has_it(memory: Memory) -> None:
    key = proof_key(find("promtool"), "question", "text")
    for _ in range(2):
        assert memory.proof("it holds", key, lambda: ["no"]).objections == ["no"]


def test_amtool_is_asked_again_when_the_messages_change(memory: Memory) -> None:
    platform = load(TINY)
    files = compile_files(platform)
    reworded = {**files, MESSAGES: files[MESSAGES].replace("{{ define", " {{ define", 1)}

    def remembered(given: Files) -> dict[str, bool]:
        claims = [one.claim for one in prove(platform, given, memory=memory)]
        told = {claim.partition(":")[0]: "proved before" in claim for claim in claims}
        return {name: told[name] for name in told if name.startswith("amtool")}

    names = ("amtool check-config", "amtool config routes test", "amtool template render")
    assert remembered(files) == dict.fromkeys(names, False)
    assert remembered(files) == dict.fromkeys(names, True)
    assert remembered(reworded) == dict(zip(names, (False, True, False), strict=True))


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


def linked(rule: str, expected: str) -> Files:
    """An alert with a link, and the link that its test expects."""
    annotation = f'annotations: {{runbook_url: "{rule}/runbooks/Down"}}'
    return {
        RULES: FILES[RULES].replace('"up < 1"', f'"up < 1", {annotation}'),
        TEST: FILES[TEST].replace(
            "exp_alerts: [{}]",
            f'exp_alerts: [{{exp_annotations: {{runbook_url: "{expected}/runbooks/Down"}}}}]',
        ),
    }


def test_what_only_has_another_address_is_not_run_again(tmp_path: Path, memory: Memory) -> None:
    for base, said in (("https://a", RUN), ("http://127.0.0.1:1", REMEMBERED)):
        names = {f"{base}/runbooks/": "/runbooks/"}
        assert proved(linked(base, base), tmp_path, memory, names) == said


def test_another_address_in_the_rules_than_in_the_tests_is_run_and_noticed(
    tmp_path: Path, memory: Memory
) -> None:
    assert proved(linked("https://a", "https://a"), tmp_path, memory) == RUN
    names = {"https://b/runbooks/": "/runbooks/"}
    claim, objections = proved(linked("https://b", "https://a"), tmp_path, memory, names)
    assert claim == RUN[0]
    assert objections


def test_a_config_with_another_address_is_proved_by_what_the_default_was(memory: Memory) -> None:
    platform = load(TINY)
    moved = platform.model_copy(update={"base_url": "http://127.0.0.1:3017"})
    for one, expected in ((platform, False), (moved, True)):
        proofs = prove(one, compile_files(one), memory=memory)
        [tested] = [proof for proof in proofs if proof.claim.startswith("promtool test rules")]
        assert tested.objections == []
        assert ("proved before" in tested.claim) is expected
