"""Load a config file: evaluate it, and report everything that is wrong with it at once."""

from __future__ import annotations

import ast
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from model.declared import ConfigError, Place, Problem, collecting, suggestion
from model.platform import Platform

VARIABLE = "MONITORING_CONFIG"
DEFAULT = Path("config.py")


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The config file in use: `MONITORING_CONFIG`, or `config.py` here."""
    return Path(environment.get(VARIABLE) or DEFAULT)


def load(path: Path, *checks: Callable[[Platform], Iterable[Problem]]) -> Platform:
    """Evaluate a config file and check it; `checks` are those of the caller's own.

    Raises ConfigError with every problem found.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        what = f"cannot read the config: {error.strerror}; set {VARIABLE} to name another file"
        raise ConfigError([Problem(f"{path}: {what}")]) from None
    shown = str(path)
    with collecting(shown) as problems:
        platform = _evaluate(source, shown, problems)
        if platform is not None:
            problems.extend(platform.problems())
            for check in checks:
                problems.extend(check(platform))
    if problems or platform is None:
        raise ConfigError(_in_order(problems))
    return platform


def _evaluate(source: bytes, shown: str, problems: list[Problem]) -> Platform | None:
    module = ModuleType("config")
    module.__file__ = shown
    try:
        statements = ast.parse(source, shown).body
    except SyntaxError as error:
        problems.append(Problem(f"syntax error: {error.msg}", Place(shown, error.lineno or 0)))
        return None
    except ValueError as error:  # a NUL byte, before Python 3.12
        problems.append(Problem(f"syntax error: {error}", Place(shown, 1)))
        return None
    unbound: set[str] = set()
    for statement in statements:
        problem = _run(statement, module.__dict__, shown, unbound)
        if problem is not None:
            problems.append(problem)
    platform = module.__dict__.get("CONFIG")
    if isinstance(platform, Platform):
        return platform
    if "CONFIG" not in unbound:
        problems.append(Problem(f"{shown}: must end with CONFIG = Platform(…)"))
    return None


def _run(
    statement: ast.stmt, scope: dict[str, Any], shown: str, unbound: set[str]
) -> Problem | None:
    """Run one statement, so that one which fails does not hide the mistakes in those after it.

    `unbound` are the names that failed statements would have bound: that they are missing is no
    mistake of its own.
    """
    try:
        exec(compile(ast.Module([statement], []), shown, "exec"), scope)  # noqa: S102 - the config is code
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a config may raise anything
        follows = isinstance(error, NameError) and error.name in unbound
        unbound.update(_bound_by(statement))
        return None if follows else _raised(error, shown)
    return None


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name


def _raised(error: BaseException, shown: str) -> Problem:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == shown]
    place = Place(shown, lines[-1] or 0) if lines else None
    text = str(error) or "raised without a message"
    if isinstance(error, SystemExit):
        text = "a config must not end the program"
    return Problem(f"{type(error).__name__}: {text}{_meant(error)}", place)


def _meant(error: BaseException) -> str:
    if isinstance(error, NameError) and error.__traceback__ is not None:
        frame = error.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        return suggestion(error.name or "", [*frame.tb_frame.f_globals, *frame.tb_frame.f_locals])
    if isinstance(error, AttributeError):
        return suggestion(error.name or "", dir(error.obj))
    if isinstance(error, ImportError) and error.name in sys.modules:
        missing = re.search(r"import name '(\w+)'", str(error))
        return suggestion(missing[1], dir(sys.modules[error.name])) if missing else ""
    return ""


def _in_order(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda p: p.where.line if p.where else sys.maxsize)
