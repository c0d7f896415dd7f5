"""deploy/kubernetes, read; and what kubectl's patch makes of a Deployment."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
NAMESPACE = "tickettoken-monitoring"

Object = dict[str, Any]


def objects() -> Iterator[Object]:
    kustomization = yaml.safe_load((DIRECTORY / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((DIRECTORY / name).read_text())


def only(kind: str, name: str = "monitoring-service") -> Object:
    (found,) = (one for one in objects() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def container(deployment: Object) -> Object:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert found["name"] == "monitoring-service"
    one: Object = found
    return one


def merged(target: Object, patch: Object) -> Object:
    """A strategic merge, as far as a Deployment's containers go: lists merge by `name`."""
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        elif key == "containers":
            of_name = {one["name"]: one for one in result[key]}
            of_name |= {one["name"]: merged(of_name.get(one["name"], {}), one) for one in value}
            result[key] = list(of_name.values())
        else:
            result[key] = value
    return result


def patch_of(command: str) -> str:
    """The patch of a `kubectl patch … -p`."""
    words = shlex.split(command)
    return words[words.index("-p") + 1]
