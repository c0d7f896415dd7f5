"""Proofs over the generated files, before anything is written.

Each is one line of `make check`: what was proved, or what is wrong and where.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from model.platform import Platform
from programs import MissingProgramError, find
from rules import routing, scrape
from rules.alerts import groups, rules_path
from rules.expand import expand
from rules.output import Files
from rules.series import Feed, results

_PARALLEL = 2
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof's outcome: what was proved, and what speaks against it."""

    claim: str
    objections: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections


def prove(platform: Platform, files: Files) -> list[Proof]:
    """Run every proof. Raises MissingProgramError where promtool or amtool cannot be had."""
    promtool, amtool = str(find("promtool")), str(find("amtool"))
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        root = Path(directory)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        jobs: list[Callable[[], Proof]] = [
            lambda: _secrets_are_absent(files),
            lambda: _rules_load(promtool, root, platform),
            lambda: _unit_tests_pass(promtool, root, platform),
            lambda: _prometheus_loads(promtool, root),
            lambda: _alertmanager_loads(amtool, root),
            lambda: _routes_reach(amtool, root, platform),
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
        if path.endswith(".yml") and not path.endswith(".test.yml")
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


def _rules_load(promtool: str, root: Path, platform: Platform) -> Proof:
    found = [str(root / rules_path(group)) for group in groups(platform)]
    return _run(
        f"promtool check rules: {len(found)} files",
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *found],
        root,
    )


def _unit_tests_pass(promtool: str, root: Path, platform: Platform) -> Proof:
    found = [f"{group}.test.yml" for group in groups(platform)]
    count = sum(
        (root / "rules/generated" / name).read_text(encoding="utf-8").count("eval_time:")
        for name in found
    )
    return _run(
        f"promtool test rules: {count} tests of {len(platform.alerts)} alerts",
        [promtool, "test", "rules", *found],
        root / "rules/generated",
    )


def _prometheus_loads(promtool: str, root: Path) -> Proof:
    command = [promtool, "check", "config", str(root / scrape.PATH)]
    return _run("promtool check config: prometheus.yml", command, root)


def _alertmanager_loads(amtool: str, root: Path) -> Proof:
    command = [amtool, "check-config", str(root / routing.PATH)]
    return _run("amtool check-config: alertmanager.yml", command, root)


def _routes_reach(amtool: str, root: Path, platform: Platform) -> Proof:
    """Every alert reaches exactly the receivers that its severity demands."""
    wanted = list(_demands(platform))
    objections = []
    for labels, receivers in wanted:
        command = [
            amtool,
            "config",
            "routes",
            "test",
            f"--config.file={root / routing.PATH}",
            f"--verify.receivers={','.join(receivers)}",
            *(f"{name}={value}" for name, value in labels.items()),
        ]
        done = _call(command, root)
        if done.returncode != 0:
            reached = (done.stdout + done.stderr).strip().splitlines()
            objections.append(
                f"{labels['alertname']}: wanted {', '.join(receivers)}; "
                f"amtool says: {' '.join(reached)[:300]}"
            )
    return Proof(f"amtool config routes test: {len(wanted)} alerts reach their people", objections)


def _demands(platform: Platform) -> Iterator[tuple[dict[str, str], list[str]]]:
    for alert in platform.alerts:
        labels = dict(results(alert.expr, Feed(platform))[0])
        service = expand(alert.service, labels, 0.0)
        labels |= {"alertname": alert.name, "service": service}
        if alert.severity is None:
            yield labels, [routing.DEAD_MANS_SWITCH]
        else:
            severity = platform.severity(alert.severity)
            yield {**labels, "severity": severity.name}, [severity.name]


def _run(claim: str, command: list[str], directory: Path) -> Proof:
    done = _call(command, directory)
    if done.returncode == 0:
        return Proof(claim)
    lines = (done.stdout + done.stderr).replace(f"{directory}/", "").strip().splitlines()
    return Proof(claim, lines[:_LONGEST] or [f"exit code {done.returncode}"])


def _call(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )


__all__ = ["MissingProgramError", "Proof", "prove"]
