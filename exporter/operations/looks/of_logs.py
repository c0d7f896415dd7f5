"""What the log has: errors of the last day, and who asked the API."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from exporter import audit_trail
from exporter.ledger.store import Store
from exporter.logs import usual_directory
from exporter.logs.service_log import ERRORS
from exporter.operations.looks.desk import Desk, in_ledger
from exporter.operations.looks.outcome import Outcome, by_hand, fine, unknown, wrong
from model.visible import printable

_DAY, _MONTH = timedelta(days=1), timedelta(days=30)
# As in the runbook's `tail -n 100`.
_LINES = 100
_MOST_NAMED = 5


async def errors(desk: Desk) -> Sequence[Outcome]:
    """The last 100 lines of the errors' file, as far as they are of the last 24 hours."""
    directory = _directory(desk)
    if directory is None:
        return [unknown("no files of the log are kept here (LOG_DIR); `kubectl logs` has them")]
    try:
        found = await asyncio.to_thread(_errors, directory, desk.now - _DAY)
    except OSError as error:
        return [unknown(f"{error.filename}: {error.strerror}")]
    if found is None:
        return [unknown(f"{directory / ERRORS}: there is no such file: has the service run here?")]
    counted = Counter(found)
    return [
        wrong(
            f"{number} times in 24 hours: {printable(event)}", f"`tail -n 100 {directory / ERRORS}`"
        )
        for event, number in counted.most_common(_MOST_NAMED)
    ] or [fine("no error in 24 hours")]


@in_ledger
async def access(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Who did and asked what in 30 days, in figures; whether that is right, people know."""
    since = desk.now - _MONTH
    actions = Counter([entry.who async for entry in audit_trail.actions(store, since)])
    found = [fine(f"actions in 30 days: {_counted(actions)}")]
    directory = _directory(desk)
    if directory is None:
        found.append(unknown("who asked the API: no files of the log are kept here (LOG_DIR)"))
    else:
        try:
            asked, refused = await asyncio.to_thread(_requests, directory, since)
        except OSError as error:
            found.append(unknown(f"who asked the API: {error.filename}: {error.strerror}"))
        else:
            found.append(fine(f"requests in the files of the log: {_counted(asked)}"))
            found.append(fine(f"refused (401, 403): {_counted(refused)}"))
    return [*found, by_hand("is that who should have?", "`python -m exporter audit --since 30d`")]


def _directory(desk: Desk) -> Path | None:
    return desk.settings.log_dir or usual_directory()


def _errors(directory: Path, since: datetime) -> list[str] | None:
    """The events of the last lines since then; None if there is no file."""
    # Rotation may just have begun a new file.
    files = [file for file in (directory / f"{ERRORS}.1", directory / ERRORS) if file.exists()]
    if not files:
        return None
    lines: deque[str] = deque(maxlen=_LINES)
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as opened:
            lines.extend(opened)
    return [event for line in lines for event in _event(line, since)]


def _event(line: str, since: datetime) -> Iterator[str]:
    try:
        said = json.loads(line)
        if datetime.fromisoformat(said["timestamp"]) >= since:
            yield str(said["event"])
    except (ValueError, KeyError, TypeError):
        return  # it was cut off


def _requests(directory: Path, since: datetime) -> tuple[Counter[str], Counter[str]]:
    asked: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for entry in audit_trail.requests(directory, since):
        asked[entry.who] += 1
        if entry.status in (401, 403):
            refused[entry.who] += 1
    return asked, refused


def _counted(people: Counter[str]) -> str:
    shown = [f"{printable(who)} {number}" for who, number in people.most_common(_MOST_NAMED)]
    more = len(people) - len(shown)
    return (", ".join(shown) + (f" and {more} others" if more > 0 else "")) or "none"
