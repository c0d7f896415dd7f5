"""Does Alertmanager show the ingest token that the service expects?"""

from __future__ import annotations

import hmac
from pathlib import Path

from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.service import ledger_wanted
from model import names

# Alertmanager tries again every few minutes at least.
_SECONDS = 600.0
_DO = (
    "Put the INGEST_TOKEN of the service into Alertmanager's file, or the other way round; "
    "Alertmanager reads it at the next message, the service when it starts."
)


async def check(patient: Patient) -> list[Finding]:
    """By Alertmanager's file where this machine has it, and by whom the service has refused."""
    settings, loaded = patient.settings, patient.loaded
    if settings is None or loaded is None:
        return [unknown("the ingest token: the variables have to be mended first")]
    if not ledger_wanted(settings, loaded.platform) or settings.ingest_token is None:
        return [fine("no ledger is kept, so Alertmanager shows no ingest token")]
    ledger = loaded.platform.ledger
    file = ledger.credentials_file if ledger is not None else None
    ours = settings.ingest_token.get_secret_value()
    return [refused] if (refused := _refused(patient)) else [_compared(file, ours, patient)]


def _refused(patient: Patient) -> Finding | None:
    metrics = patient.metrics or {}
    last = metrics.get(names.INGEST_REFUSED.name, 0.0)
    ago = patient.clock() - last
    if not last or ago > _SECONDS:
        return None
    return broken(
        Fault.INGEST_TOKEN_MISMATCH,
        f"{max(0.0, ago):.0f} s ago the service has refused somebody who showed another token",
        f"{_DO} If it was not Alertmanager, the access log says from where it came.",
    )


def _compared(file: str | None, ours: str, patient: Patient) -> Finding:
    # Another one is below the directory of Alertmanager's config, wherever that is.
    if file is not None and Path(file).is_absolute():
        try:
            theirs = Path(file).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            pass  # it is another machine's, or not for our eyes
        else:
            if hmac.compare_digest(theirs.encode(), ours.encode()):
                return fine(f"Alertmanager's ingest token ({file}) is ours")
            return broken(
                Fault.INGEST_TOKEN_MISMATCH,
                f"{file}, which Alertmanager reads, holds another token than INGEST_TOKEN",
                _DO,
            )
    if patient.metrics is None:
        return unknown("the ingest token: no service is running here")
    return fine("nobody has shown the service another ingest token in the last 10 minutes")
