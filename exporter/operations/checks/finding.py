"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Every fault that has a name, in the words that are printed."""

    VARIABLE_MISSING = "variable missing"
    VARIABLE_MALFORMED = "variable malformed"
    SECRETS_FILE_MISSING = "secrets file missing"
    CONFIG_MISTAKEN = "config mistaken"
    PORT_TAKEN = "port taken"
    DATABASE_UNREACHABLE = "database unreachable"
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - it names one
    SCHEMA_BEHIND = "schema behind"
    TRANSACTION_POOLER = "pooler in transaction mode"
    POOL_EXHAUSTED = "pool exhausted"
    REDIS_UNREACHABLE = "Redis unreachable"
    SMTP_UNREACHABLE = "SMTP unreachable"
    SMTP_REFUSES = "SMTP refuses"
    NOT_SCRAPED = "Prometheus not scraping us"
    RULES_NOT_LOADED = "rules not loaded"
    RULES_NOT_OURS = "rules not ours"
    ALERTMANAGER_NOT_REACHING = "Alertmanager not reaching us"
    CLOCK_OFF = "clock off"
    DISK_NEARLY_FULL = "disk nearly full"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence. `fault` is None where all is well, or where it could not be looked at.

    `examined` is False in the latter case: something else has to be mended, or set, first.
    """

    what: str
    fault: Fault | None = None
    do: str = ""
    examined: bool = True


def fine(what: str) -> Finding:
    """It is as it should be."""
    return Finding(what)


def unknown(what: str) -> Finding:
    """It could not be looked at, and why."""
    return Finding(what, examined=False)


def broken(fault: Fault, what: str, do: str) -> Finding:
    """It is not as it should be, and what to do."""
    return Finding(what, fault, do)
