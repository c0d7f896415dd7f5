"""Does Alertmanager answer, and does what it sends come to us?"""

from __future__ import annotations

from exporter.ledger.http_body import NoAnswerError
from exporter.operations.checks.answers import ask
from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from model import names

# The watchdog comes once a minute; Prometheus and Alertmanager need a while after a start.
_SECONDS = 300.0


async def check(patient: Patient) -> list[Finding]:
    """By its API, and by when its watchdog has last come to the service that runs here."""
    if patient.loaded is None:
        return [unknown("Alertmanager: the variables have to be mended first")]
    found = []
    for address in patient.loaded.platform.watched_by.alertmanagers:
        try:
            await ask(patient.session, f"http://{address}/api/v2/status")
        except NoAnswerError as error:
            found.append(
                broken(
                    Fault.ALERTMANAGER_NOT_REACHING,
                    f"Alertmanager at {address} does not answer: {error}",
                    "Is it running, and is its address in the config's watched_by right?",
                )
            )
        else:
            found.append(fine(f"Alertmanager at {address} answers"))
    if all(finding.fault is None for finding in found):
        found.append(_heard(patient))
    return found


def _heard(patient: Patient) -> Finding:
    metrics = patient.metrics
    if metrics is None:
        return unknown("whether Alertmanager reaches us: no service is running here")
    now = patient.clock()
    last = metrics.get(names.WATCHDOG_LAST_RECEIVED.name, 0.0)
    if now - last <= _SECONDS:
        return fine(f"its watchdog came {max(0.0, now - last):.0f} s ago")
    if not last and now - metrics.get(names.PROCESS_START_TIME.name, 0.0) <= _SECONDS:
        return unknown("whether Alertmanager reaches us: the service has just started")
    when = f"last came {(now - last) / 60:.0f} minutes ago" if last else "has never come"
    return broken(
        Fault.ALERTMANAGER_NOT_REACHING,
        f"Alertmanager answers, but its watchdog {when}",
        "Does it use alertmanager/alertmanager.yml, does the URL of dead_mans_switch lead here "
        "from its machine, and does Prometheus know its address?",
    )
