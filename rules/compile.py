"""From a config to every generated file, in memory."""

from __future__ import annotations

from collections.abc import Callable

from model.platform import Platform
from rules import (
    alerts,
    dashboards,
    escalation,
    escalation_tests,
    kubernetes,
    messages,
    provisioning,
    routing,
    runbooks,
    scrape,
    unit_tests,
)
from rules.output import Files

# Every artifact, one builder each.
BUILDERS: tuple[Callable[[Platform], Files], ...] = (
    alerts.build,
    unit_tests.build,
    escalation.build,
    escalation_tests.build,
    scrape.build,
    routing.build,
    messages.build,
    kubernetes.build,
    dashboards.build,
    provisioning.build,
    runbooks.build,
)


def compile_files(platform: Platform) -> Files:
    """Every generated file: its path below the output directory, and its text."""
    files: Files = {}
    for build in BUILDERS:
        files.update(build(platform))
    return files
