"""Load a config file: evaluate it, and report everything that is wrong with it at once."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from model.declared import ConfigError, Place, Problem, collecting
from model.platform import Platform

VARIABLE = "MONITORING_CONFIG"
DEFAULT = Path("config.py")


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The config file in use: `MONITORING_CONFIG`, or `config.py` here."""
    return Path(environment.get(VARIABLE) or DEFAULT)


def load(path: Path) -> Platform:
    """Evaluate a config file and check it.

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
        if isinstance(platform, Platform) and not platform.broken:
            problems.extend(platform.problems())
    if problems or platform is None:
        raise ConfigError(_in_order(problems))
    return platform


def _evaluate(source: bytes, shown: str, problems: list[Problem]) -> Platform | None:
    module = ModuleType("config")
    module.__file__ = shown
    try:
        exec(compile(source, shown, "exec"), module.__dict__)  # noqa: S102 - the config is code
    except SyntaxError as error:
        problems.append(Problem(f"syntax error: {error.msg}", Place(shown, error.lineno or 0)))
        return None
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a config may raise anything
        problems.append(_raised(error, shown))
        return None
    platform = module.__dict__.get("CONFIG")
    if not isinstance(platform, Platform):
        problems.append(Problem(f"{shown}: must end with CONFIG = Platform(…)"))
        return None
    return platform


def _raised(error: BaseException, shown: str) -> Problem:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == shown]
    place = Place(shown, lines[-1] or 0) if lines else None
    text = str(error) or "raised without a message"
    hint = f"; did you mean {_near(error)!r}?" if _near(error) else ""
    return Problem(f"{type(error).__name__}: {text}{hint}", place)


def _near(error: BaseException) -> str | None:
    if not isinstance(error, (NameError, AttributeError)):
        return None
    import difflib

    name, scope = error.name, getattr(error, "obj", None)
    known = dir(scope) if scope is not None else []
    if isinstance(error, NameError) and error.__traceback__ is not None:
        frame = error.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        known = [*frame.tb_frame.f_globals, *frame.tb_frame.f_locals]
    matches = difflib.get_close_matches(name or "", known, n=1)
    return matches[0] if matches else None


def _in_order(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda p: p.where.line if p.where else sys.maxsize)
