"""What `python -m exporter doctor` looks at: one file a check, and this table of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from exporter.operations.checks import (
    alertmanager,
    clock,
    database,
    disk,
    growth,
    indexes,
    ingest_token,
    pool,
    port,
    redis,
    redis_settings,
    rules,
    scraping,
    smtp,
    upkeep,
    variables,
)
from exporter.operations.checks.finding import Finding
from exporter.operations.checks.patient import Patient

Check = Callable[[Patient], Awaitable[list[Finding]]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "variables": variables.check,
        "port": port.check,
        "database": database.check,
        "pool": pool.check,
        "indexes": indexes.check,
        "upkeep": upkeep.check,
        "growth": growth.check,
        "redis": redis.check,
        "redis settings": redis_settings.check,
        "smtp": smtp.check,
        "scraping": scraping.check,
        "rules": rules.check,
        "alertmanager": alertmanager.check,
        "ingest token": ingest_token.check,
        "clock": clock.check,
        "disk": disk.check,
    }
)
