"""Can the environment and the config be used?"""

from __future__ import annotations

import re

from exporter.operations.checks.finding import Fault, Finding, broken, fine
from exporter.operations.checks.patient import Patient

_FILE = re.compile(r"^\w+_FILE: cannot read ")
_MISSING = re.compile(r"^\w+: is not set")


async def check(patient: Patient) -> list[Finding]:
    """Each mistake by its kind."""
    found = [_named(problem) for problem in patient.problems]
    found.extend(
        broken(Fault.CONFIG_MISTAKEN, problem, "Mend it in the config.")
        for problem in patient.config_problems
    )
    return found or [fine("the variables and the config can be used")]


def _named(problem: str) -> Finding:
    if _FILE.match(problem):
        return broken(
            Fault.SECRETS_FILE_MISSING,
            problem,
            "Mount the secret, or let the service's user read it.",
        )
    if _MISSING.match(problem):
        return broken(Fault.VARIABLE_MISSING, problem, "Set it, and start the service again.")
    return broken(Fault.VARIABLE_MALFORMED, problem, "Correct it, and start the service again.")
