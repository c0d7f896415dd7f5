"""From a config to every generated file, in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from model.platform import Platform
from rules import (
    alerts,
    dashboards,
    escalation,
    escalation_tests,
    kubernetes,
    messages,
    provisioning,
    recording_tests,
    routing,
    runbooks,
    scrape,
    unit_tests,
)
from rules.beside import all_of
from rules.output import Built, Files, joined

# Every artifact, one builder each; unit tests are built group by group.
BUILDERS: tuple[Callable[[Platform], Files], ...] = (
    alerts.build,
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
    """Every generated file: its path below the output directory, and its text.

    Raises ConfigError with what cannot be compiled.
    """
    groups = [partial(unit_tests.of_group, group, platform) for group in alerts.groups(platform)]
    recordings = partial(recording_tests.of_recordings, platform)
    return joined(all_of([partial(_all_but_unit_tests, platform), *groups, recordings]))


def _all_but_unit_tests(platform: Platform) -> Built:
    files: Files = {}
    for build in BUILDERS:
        files.update(build(platform))
    return Built(files)
