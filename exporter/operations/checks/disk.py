"""Is there room where the service writes?"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from exporter.logs import usual_directory
from exporter.operations.checks.finding import Fault, Finding, broken, fine
from exporter.operations.checks.patient import Patient

_MOST = 0.9


async def check(patient: Patient) -> list[Finding]:
    """The volumes of the logs, of SQLite's file and of temporary files, each once."""
    places = [Path(tempfile.gettempdir())]
    settings = patient.settings
    if settings is not None and (logs := settings.log_dir or usual_directory()) is not None:
        places.append(logs)
    if settings is not None and settings.database_url is None:
        places.append(settings.ledger_file.resolve().parent)
    volumes = {place.stat().st_dev: place for place in places if place.is_dir()}
    return [_one(place) for place in volumes.values()]


def _one(place: Path) -> Finding:
    usage = shutil.disk_usage(place)
    # What root alone may use does not help us.
    share = 1 - usage.free / (usage.used + usage.free)
    state = f"{place} is {share:.0%} full, {usage.free / 2**20:.0f} MiB are free"
    if share >= _MOST:
        return broken(
            Fault.DISK_NEARLY_FULL,
            state,
            f"`du -xh {place} | sort -h | tail`: rotate logs, move old backups, or enlarge it.",
        )
    return fine(state)
