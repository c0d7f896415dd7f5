"""The generated files hold in every version of Prometheus and Alertmanager that people have.

The oldest must be there. The newer ones come from Debian's other suites; where those cannot be
reached, that is said, and only they are skipped. What ran stands at the end of pytest's output.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from model.load import load
from model.platform import Platform
from programs import FetchError, fetch, find, version
from rules.bundles.run import proved as bundled
from rules.compile import compile_files
from rules.memory import Memory
from rules.output import Files
from rules.prove import prove
from rules.prove_unit_tests import asking, rule_texts

ROOT = Path(__file__).resolve().parents[2]
OLDEST_SUITE = "bookworm"
# Versions of Prometheus and Alertmanager, and the suite that has them.
NEWER = {"trixie": ("2.53", "0.28"), "sid": ("3.5", "0.33")}

Ran = Callable[[str, object], None]


@cache
def compiled() -> tuple[Platform, Files]:
    platform = load(ROOT / "config.py")
    return platform, compile_files(platform)


def of_suite(suite: str) -> tuple[Path, Path]:
    prometheus = fetch(["prometheus"], suite).program("promtool")
    return prometheus, fetch(["prometheus-alertmanager"], suite).program("amtool")


def proved(
    promtool: Path, amtool: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """What speaks against the files, as `PROMTOOL=… AMTOOL=… make check` tells it."""
    monkeypatch.setenv("PROMTOOL", str(promtool))
    monkeypatch.setenv("AMTOOL", str(amtool))
    proofs = prove(*compiled(), memory=Memory.of_this_user())
    ran("proved with", f"promtool {version(promtool)} and amtool {version(amtool)}")
    return {proof.claim: proof.objections for proof in proofs if not proof.holds}


def same(found: Path, wanted: str) -> bool:
    return version(found).startswith(f"{wanted}.")


def test_the_default_config_is_proved_by_the_oldest_versions_that_it_supports(
    record_property: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched_by = compiled()[0].watched_by
    wanted = watched_by.oldest_prometheus, watched_by.oldest_alertmanager
    programs = find("promtool"), find("amtool")
    if not all(map(same, programs, wanted)):
        programs = of_suite(OLDEST_SUITE)
    assert all(map(same, programs, wanted)), "the oldest versions cannot be had"
    assert proved(*programs, record_property, monkeypatch) == {}


def unproved_in_bundles(promtool: Path, directory: Path) -> set[str]:
    """The test files of one group that are not proved without running them as they stand."""
    files = compiled()[1]
    tests = {
        path: text
        for path, text in files.items()
        if path.startswith("rules/generated/availability") and path.endswith(".test.yml")
    }
    assert tests
    return tests.keys() - bundled(tests, rule_texts(files), asking(promtool), directory)


@pytest.mark.parametrize("suite", NEWER)
def test_the_default_config_is_proved_by_newer_versions(
    suite: str, record_property: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prometheus, alertmanager = NEWER[suite]
    try:
        programs = of_suite(suite)
    except FetchError as error:
        pytest.skip(f"Prometheus {prometheus} and Alertmanager {alertmanager} not tried: {error}")
    # Unstable moves on, and what comes then is to be held to the same files.
    assert [int(part) for part in version(programs[0]).split(".")[:2]] >= [
        int(part) for part in prometheus.split(".")
    ]
    assert proved(*programs, record_property, monkeypatch) == {}
    assert unproved_in_bundles(programs[0], tmp_path) == set()
