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
    INGEST_TOKEN_MISMATCH = "ingest token mismatch"  # noqa: S105 - it names one
    CLOCK_OFF = "clock off"
    DISK_NEARLY_FULL = "disk nearly full"


class Advice(StrEnum):
    """What works and should be done all the same, in the words that are printed."""

    INDEX_MISSING = "index missing"
    INDEX_INVALID = "index invalid"
    ARCHIVING_DUE = "archiving due"
    STATISTICS_STALE = "statistics stale"
    DEAD_ROWS = "dead rows"
    OUT_OF_ROOM = "out of room soon"
    REDIS_NO_LIMIT = "Redis without a limit"
    REDIS_NO_POLICY = "Redis without a policy"
    REDIS_NOT_PERSISTENT = "Redis without persistence"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence. `fault` and `advice` are None where all is well, or where nobody could look.

    `examined` is False in the latter case: something else has to be mended, or set, first.
    """

    what: str
    fault: Fault | None = None
    do: str = ""
    examined: bool = True
    advice: Advice | None = None


def fine(what: str) -> Finding:
    """It is as it should be."""
    return Finding(what)


def unknown(what: str) -> Finding:
    """It could not be looked at, and why."""
    return Finding(what, examined=False)


def broken(fault: Fault, what: str, do: str) -> Finding:
    """It is not as it should be, and what to do."""
    return Finding(what, fault, do)


def advised(advice: Advice, what: str, do: str) -> Finding:
    """It works, and what to do all the same."""
    return Finding(what, do=do, advice=advice)
