"""A large platform is compiled and proved; how fast is measured by `python -m bench.compiling`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model import promql
from model.load import VARIABLE, load
from model.platform import Platform
from model.promql import Expr, Selector
from programs import find
from rules.compile import compile_files
from rules.memory import Memory
from rules.prove_unit_tests import unit_tests_pass
from rules.raw.check import problems

ROOT = Path(__file__).resolve().parents[2]
LARGE = Path(__file__).resolve().parent / "large_config.py"


def platform() -> Platform:
    return load(LARGE, problems)


def test_a_thousand_services_and_three_hundred_alerts_are_compiled_and_proved() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rules", "--alone"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: str(LARGE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    claims = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert {verdict for verdict, _ in claims} == {"ok"}
    said = [claim for _, claim in claims]
    assert "inhibition: 21 rules, nothing critical can be silenced" in said
    # Alerts that share a name count once, and those of the ladder are added.
    assert "unit tests: each of 294 alerts is seen to fire and to stay quiet" in said


def test_promtool_proves_three_hundred_alerts_of_each_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARGE_CONFIG_SERVICES", "21")
    files = compile_files(platform())
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    proof = unit_tests_pass(find("promtool"), tmp_path, files, 300, Memory(None))
    assert proof.objections == []
    assert int(proof.claim.split()[3]) > 5000, proof.claim


def test_the_large_platform_is_as_large_as_it_says() -> None:
    large = platform()
    assert (len(large.services), len(large.alerts)) == (1000, 300)


def test_its_alerts_are_no_copies_of_each_other() -> None:
    exprs = [alert.expr for alert in platform().alerts]
    assert len({str(expr) for expr in exprs}) == len(exprs)
    kinds = {type(part) for expr in exprs for part in expr.walk() if not isinstance(part, Selector)}
    assert kinds >= _building_blocks()
    assert len({_shape(expr) for expr in exprs}) >= 40


def _building_blocks() -> set[type[Expr]]:
    """Every kind of expression that `model.promql` offers, but selectors."""
    offered = (getattr(promql, name) for name in promql.__all__)
    kinds = {kind for kind in offered if isinstance(kind, type) and issubclass(kind, Expr)}
    return {kind for kind in kinds if kind is not Expr and not issubclass(kind, Selector)}


def _shape(expr: Expr) -> str:
    own = getattr(expr, "function", getattr(expr, "operator", ""))
    return f"{type(expr).__name__} {own}({', '.join(map(_shape, expr.children()))})"
