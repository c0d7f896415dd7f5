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

from model.escalation import escalation_rules
from model.platform import Platform
from programs import MissingProgramError, find
from rules import routing, scrape, yaml_text
from rules.beside import all_of
from rules.lint_routes import nothing_is_amiss
from rules.memory import Memory, proof_key
from rules.output import Files
from rules.proof import Proof, call, objections
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
from rules.read_back import ReadBack

_PARALLEL = 2


def prove(
    platform: Platform, files: Files, *, thorough: bool = False, memory: Memory | None = None
) -> list[Proof]:
    """Run every proof. Raises MissingProgramError where promtool or amtool cannot be had.

    `memory` knows what promtool and amtool have proved before; without one they are asked again.
    `thorough` asks amtool about every label set instead of one for each way that they go.
    """
    routes, config = files[routing.PATH], Path(routing.PATH)
    memory = memory or Memory(None)
    promtool, amtool = str(find("promtool")), str(find("amtool"))
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        root = Path(directory)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        jobs: list[Callable[[], Proof]] = [
            lambda: unit_tests_pass(
                Path(promtool), root, files, _alerts(platform), memory, _names(platform)
            ),
            lambda: _rules_load(promtool, root, files, memory),
            lambda: _prometheus_loads(promtool, root),
            lambda: _alertmanager_loads(amtool, root, files, memory),
            lambda: agrees_with_amtool(
                platform, routes, amtool, root / config, memory, thorough=thorough
            ),
            lambda: templates_render(routes, _messages(files), amtool, root / config, memory),
        ]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            # Programs run beside us, while we prove what takes none.
            waiting = [pool.submit(job) for job in jobs]
            return [*prove_alone(platform, files), *(job.result() for job in waiting)]


def prove_alone(platform: Platform, files: Files) -> list[Proof]:
    """Run the proofs that take no outside program."""
    written, routes = ReadBack(files), files[routing.PATH]
    _ = written.alerts  # which nearly all read

    def of_tests() -> list[Proof]:
        return [every_alert_has_unit_tests(written)]

    def of_rules() -> list[Proof]:
        return [
            metrics_exist(platform, written),
            labels_exist(platform, written),
            every_alert_has_a_page(platform, written),
            every_alert_has_a_panel(platform, written),
            thresholds_agree(platform, written),
            _secrets_are_absent(files),
        ]

    def of_routes() -> list[Proof]:
        return [
            everybody_is_told(platform, routes),
            inhibitions_are_sound(platform, routes),
            nothing_is_amiss(platform, routes),
            templates_exist(routes, _messages(files)),
        ]

    return [proof for proofs in all_of([of_tests, of_routes, of_rules]) for proof in proofs]


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
        for setting in _plain_secrets(yaml_text.read(text))
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


def _messages(files: Files) -> Files:
    return {path: text for path, text in files.items() if path.endswith(".tmpl")}


def _rules_load(promtool: str, root: Path, files: Files, memory: Memory) -> Proof:
    rules = {path: text for path, text in files.items() if path.endswith(".rules.yml")}
    question = ["check", "rules", "--lint=all", "--lint-fatal"]
    paths = [str(root / path) for path in rules]
    return memory.proof(
        f"promtool check rules: {len(rules)} files",
        proof_key(Path(promtool), *question, *rules, *rules.values()),
        lambda: objections(call([promtool, *question, *paths], root), root),
    )


def _names(platform: Platform) -> dict[str, str]:
    """What differs in the rules of a demo, or of a config with a service more."""
    return {f"{platform.base_url}/runbooks/": "/runbooks/", platform.sha256: "sha256 of the config"}


def _alerts(platform: Platform) -> int:
    return len(platform.alerts) + len(escalation_rules(platform))


def _prometheus_loads(promtool: str, root: Path) -> Proof:
    # Never remembered: it looks for files that the config names, wherever they lie.
    command = [promtool, "check", "config", str(root / scrape.PATH)]
    return Proof("promtool check config: prometheus.yml", objections(call(command, root), root))


def _alertmanager_loads(amtool: str, root: Path, files: Files, memory: Memory) -> Proof:
    command = [amtool, "check-config", str(root / routing.PATH)]
    messages = _messages(files)
    return memory.proof(
        "amtool check-config: alertmanager.yml",
        proof_key(Path(amtool), "check-config", files[routing.PATH], *messages, *messages.values()),
        lambda: objections(call(command, root), root),
    )


__all__ = ["MissingProgramError", "Proof", "prove", "prove_alone"]
