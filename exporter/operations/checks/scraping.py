"""Does every Prometheus scrape us?"""

from __future__ import annotations

from exporter.ledger.http_body import NoAnswerError
from exporter.operations.checks.answers import ask
from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from model.jobs import JOB

_LOOK = "Prometheus' page /targets says why; its file is rules/generated/prometheus.yml."


async def check(patient: Patient) -> list[Finding]:
    """Every target of our job has to be up, and there has to be one."""
    if patient.loaded is None:
        return [unknown("Prometheus: the variables have to be mended first")]
    return [
        await _one(patient, address) for address in patient.loaded.platform.watched_by.prometheus
    ]


async def _one(patient: Patient, address: str) -> Finding:
    try:
        said = await ask(patient.session, f"http://{address}/api/v1/targets", {"state": "active"})
        targets = [
            target for target in said["data"]["activeTargets"] if target["labels"]["job"] == JOB
        ]
        down = [
            f"{target['scrapeUrl']}: {target['lastError']}"
            for target in targets
            if target["health"] == "down"
        ]
        waiting = [target for target in targets if target["health"] == "unknown"]
    except NoAnswerError as error:
        return broken(
            Fault.NOT_SCRAPED,
            f"Prometheus at {address} does not answer: {error}",
            "Is it running, and is its address in the config's watched_by right?",
        )
    except (KeyError, TypeError):
        return broken(
            Fault.NOT_SCRAPED, f"what answers at {address} is no Prometheus", "Mend watched_by."
        )
    if not targets:
        return broken(
            Fault.NOT_SCRAPED, f"Prometheus at {address} has no target of job {JOB}", _LOOK
        )
    if down:
        return broken(
            Fault.NOT_SCRAPED, f"Prometheus at {address} cannot scrape {'; '.join(down)}", _LOOK
        )
    if waiting:
        return unknown(f"Prometheus at {address} has just begun to scrape us: look again")
    return fine(f"Prometheus at {address} scrapes us")
