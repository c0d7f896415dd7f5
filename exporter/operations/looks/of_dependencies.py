"""Have the libraries that run here known weaknesses? pip-audit knows, where it is there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exporter.operations.looks.desk import Desk
from exporter.operations.looks.outcome import Outcome, by_hand, fine, unknown, wrong
from exporter.operations.looks.program import NotRunError, run
from model.visible import printable

_PROGRAM = "pip-audit"
_SECONDS = 180.0
_LOCK = Path("lock/runtime.txt")
_MOST_NAMED = 5
_BY_HAND = by_hand(
    "the images and packages of Postgres, Redis, Prometheus, Alertmanager and Grafana",
    "`docker compose pull`, or the distribution's updates.",
)


async def audited(desk: Desk) -> Sequence[Outcome]:
    """By what this repository locks, else by what is installed where this runs."""
    program = shutil.which(_PROGRAM, path=desk.environment.get("PATH"))
    if program is None:
        return [unknown(f"{_PROGRAM} is not installed: `pipx run {_PROGRAM} {_how()}`"), _BY_HAND]
    words = [program, "--format", "json", "--progress-spinner", "off", *_asked()]
    try:
        ended = await run(words, _SECONDS)
        found = json.loads(ended.said)["dependencies"]
        weak = [one for dependency in found for one in _weak(dependency)]
        skipped = [str(one["name"]) for one in found if "skip_reason" in one]
    except NotRunError as error:
        return [unknown(str(error)), _BY_HAND]
    except (ValueError, KeyError, TypeError):
        return [unknown(f"{_PROGRAM} could not find out: {_last(ended.complaint)}"), _BY_HAND]
    outcomes = weak[:_MOST_NAMED]
    if len(weak) > _MOST_NAMED:
        outcomes.append(wrong(f"and {len(weak) - _MOST_NAMED} more", f"`{_PROGRAM} {_how()}`"))
    audited = len(found) - len(skipped)
    if audited and not weak:
        outcomes.append(fine(f"none of {audited} libraries has a known weakness"))
    if skipped or not found:
        # It ends with 0 all the same.
        named = ", ".join(skipped[:_MOST_NAMED])
        outcomes.append(unknown(f"{len(skipped)} libraries could not be looked up: {named}"))
    return [*outcomes, _BY_HAND]


def _asked() -> list[str]:
    """The hashes of the lock make asking pip needless."""
    return ["--requirement", str(_LOCK), "--disable-pip"] if _LOCK.is_file() else ["--local"]


def _how() -> str:
    return " ".join(_asked())


def _weak(dependency: dict[str, Any]) -> Iterator[Outcome]:
    for one in dependency.get("vulns", ()):
        fixed = ", ".join(one["fix_versions"]) or "no version yet"
        yield wrong(
            printable(f"{dependency['name']} {dependency['version']}: {one['id']}"),
            printable(f"Mended in {fixed}: `make lock`, then the tests."),
        )


def _last(complaint: str) -> str:
    """What it ended with: a traceback's last line says most."""
    return printable(complaint.strip().rpartition("\n")[2] or "it says nothing")
