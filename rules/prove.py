"""Proofs over the generated files, before anything is written.

Each is one line of `make check`: what was proved, or what is wrong and where.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from model.escalation import escalation_rules
from model.platform import Platform
from programs import MissingProgramError, find
from rules import routing, scrape
from rules.lint_routes import nothing_is_amiss
from rules.memory import Memory
from rules.output import Files
from rules.proof import Proof, run
from rules.prove_alerts import (
    every_alert_has_a_page,
    every_alert_has_a_panel,
    every_alert_has_unit_tests,
    thresholds_agree,
)
from rules.prove_messages import templates_exist, templates_render
from rules.prove_names import labels_exist, metrics_exist
from rules.prove_routes import agrees_with_amtool, everybody_is_told, inhibitions_are_sound
from rules.prove_unit_tests import unit_tests_pass

_PARALLEL = 2


def prove(
    platform: Platform, files: Files, *, thorough: bool = False, memory: Memory | None = None
) -> list[Proof]:
    """Run every proof. Raises MissingProgramError where promtool or amtool cannot be had.

    `memory` knows which unit tests have passed before; without one all are run.
    `thorough` asks amtool about every label set instead of one for each way that they go.
    """
    routes, config = files[routing.PATH], Path(routing.PATH)
    messages = {path: text for path, text in files.items() if path.endswith(".tmpl")}
    memory = memory or Memory(None)
    promtool, amtool = str(find("promtool")), str(find("amtool"))
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        root = Path(directory)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        jobs: list[Callable[[], Proof]] = [
            lambda: metrics_exist(platform, files),
            lambda: labels_exist(platform, files),
            lambda: every_alert_has_a_page(platform, files),
            lambda: every_alert_has_unit_tests(files),
            lambda: every_alert_has_a_panel(platform, files),
            lambda: thresholds_agree(platform, files),
            lambda: _secrets_are_absent(files),
            lambda: _rules_load(promtool, root, files),
            lambda: unit_tests_pass(Path(promtool), root, files, _alerts(platform), memory),
            lambda: _prometheus_loads(promtool, root),
            lambda: _alertmanager_loads(amtool, root),
            lambda: everybody_is_told(platform, routes),
            lambda: inhibitions_are_sound(platform, routes),
            lambda: nothing_is_amiss(platform, routes),
            lambda: agrees_with_amtool(platform, routes, amtool, root / config, thorough=thorough),
            lambda: templates_exist(routes, messages),
            lambda: templates_render(routes, amtool, root / config),
        ]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(lambda job: job(), jobs))


# Settings of Prometheus, Alertmanager and Grafana that hold a secret, unless they end in _file.
_SECRET = re.compile(
    r"(?i)(password|secret|token|credentials|routing_key|service_key|api_key|api_url)$"
)


def _secrets_are_absent(files: Files) -> Proof:
    """Secrets appear as `*_file` only, and no URL carries a password."""
    objections = [
        f"{path}: {setting} is given in plain text; use a *_file"
        for path, text in files.items()
        if path.endswith((".yml", ".yaml")) and not path.endswith(".test.yml")
        for setting in _plain_secrets(yaml.load(text, yaml.CSafeLoader))
    ]
    objections += [
        f"{path}: a URL carries a password"
        for path, text in files.items()
        if re.search(r"://[^/\s\"@]*:[^/\s\"@]+@", text)
    ]
    return Proof("no secret stands in a generated file", objections)


def _plain_secrets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and _SECRET.search(str(name)):
                yield name
            yield from _plain_secrets(value)
    elif isinstance(node, list):
        for item in node:
            yield from _plain_secrets(item)


def _rules_load(promtool: str, root: Path, files: Files) -> Proof:
    found = [str(root / path) for path in files if path.endswith(".rules.yml")]
    return run(
        f"promtool check rules: {len(found)} files",
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *found],
        root,
    )


def _alerts(platform: Platform) -> int:
    return len(platform.alerts) + len(escalation_rules(platform))


def _prometheus_loads(promtool: str, root: Path) -> Proof:
    command = [promtool, "check", "config", str(root / scrape.PATH)]
    return run("promtool check config: prometheus.yml", command, root)


def _alertmanager_loads(amtool: str, root: Path) -> Proof:
    command = [amtool, "check-config", str(root / routing.PATH)]
    return run("amtool check-config: alertmanager.yml", command, root)


__all__ = ["MissingProgramError", "Proof", "prove"]
