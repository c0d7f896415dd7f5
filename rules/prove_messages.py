"""Proofs about the messages: every template that is named exists, and renders for real.

text/template says nothing of a field that does not exist until it is asked for, so amtool renders
every setting of every receiver, for alerts that fire and for such as have ended, with all
annotations and with none.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rules import yaml_text
from rules.memory import Memory, proof_key
from rules.proof import Proof, call

_NAMED = re.compile(r'\{\{-?\s*template\s+"([^"]+)"')
_DEFINED = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')
_TIMES = {"startsAt": "2024-01-09T11:00:00Z", "endsAt": "2024-01-09T11:05:00Z"}


def templates_exist(text: str, templates: dict[str, str]) -> Proof:
    """Every template that a receiver or another template names is defined, once."""
    defined = [name for body in templates.values() for name in _DEFINED.findall(body)]
    objections = [
        f'{path}: there is no template "{name}"'
        for path, body in {"alertmanager.yml": text, **templates}.items()
        for name in dict.fromkeys(_NAMED.findall(body))
        if name not in defined
    ]
    objections += [
        f'the template "{name}" is defined twice'
        for name in dict.fromkeys(defined)
        if defined.count(name) > 1
    ]
    return Proof(
        f"messages: {len(defined)} templates, and all that are named are there", objections
    )


def templates_render(
    text: str, templates: dict[str, str], amtool: str, config: Path, memory: Memory
) -> Proof:
    """amtool renders what the receivers send."""
    document = yaml_text.read(text)
    settings = dict.fromkeys(_templated(document["receivers"]))
    pattern = str(config.parent / document["templates"][0])
    command = [
        amtool,
        "template",
        "render",
        f"--template.glob={pattern}",
        "--template.text={}".format("\n".join(settings)),
    ]

    def render() -> list[str]:
        with tempfile.TemporaryDirectory(prefix="messages-") as directory:
            return [
                f"{name}: {said.replace(f'{config.parent}/', '')[:300]}"
                for name, data in _examples().items()
                if (said := _rendered(command, data, Path(directory) / "data.json"))
            ]

    return memory.proof(
        f"amtool template render: {len(settings)} settings of receivers",
        proof_key(
            Path(amtool),
            "template render",
            document["templates"][0],
            *(f"{path}\n{body}" for path, body in templates.items()),
            *settings,
            json.dumps(_examples()),
        ),
        render,
    )


def _rendered(command: list[str], data: dict[str, Any], file: Path) -> str | None:
    """What amtool has against the data, None if it renders them."""
    file.write_text(json.dumps(data), encoding="utf-8")
    done = call([*command, f"--template.data={file}"], file.parent)
    if done.returncode == 0 and "<no value>" not in done.stdout:
        return None
    return (done.stderr.strip() or "it shows <no value>").splitlines()[-1]


def _templated(node: Any) -> Iterator[str]:
    if isinstance(node, str) and "{{" in node:
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _templated(value)
    elif isinstance(node, list):
        for item in node:
            yield from _templated(item)


def _examples() -> dict[str, dict[str, Any]]:
    annotations = {
        "summary": "payment-service is down",
        "description": "It does not answer.",
        "value": "0",
        "threshold": "< 0.5",
        "runbook_url": "https://monitoring.example.org/runbooks/ServiceDown",
        "dashboard_url": "https://grafana.example.org/d/monitoring-overview",
    }
    return {
        "firing and resolved": _data("firing", ["firing", "resolved"], annotations),
        "resolved": _data("resolved", ["resolved"], annotations),
        "without annotations": _data("firing", ["firing", "resolved"], {}),
    }


def _data(status: str, alerts: list[str], annotations: dict[str, str]) -> dict[str, Any]:
    labels = {"alertname": "ServiceDown", "severity": "critical", "service": "payment-service"}
    one = {
        "labels": labels,
        "annotations": annotations,
        "fingerprint": "0123456789abcdef",
        **_TIMES,
    }
    return {
        "receiver": "example",
        "status": status,
        "alerts": [{**one, "status": each} for each in alerts],
        "groupLabels": {"alertname": "ServiceDown"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager:9093",
    }
