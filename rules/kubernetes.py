"""The same for Kubernetes, as the Prometheus operator's objects (monitoring.coreos.com/v1).

Rules, the scrape of the exporter, and Alertmanager's file as the Secret that the operator reads:
key `alertmanager.yaml`, with the templates beside it. It holds no secret, only the names of files:
those that the operator mounts of another Secret, which `spec.secrets` of the Alertmanager names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from model.durations import prometheus
from model.jobs import JOB
from model.platform import Platform
from rules import alerts, escalation, messages, routing, scrape
from rules.output import Files, yaml_file

DIRECTORY = "deploy/kubernetes/generated"
NAMESPACE = "tickettoken-monitoring"
# The operator mounts what stands beside the file here, and the file itself elsewhere.
_TEMPLATES = "/etc/alertmanager/config/*.tmpl"
# Secrets that an Alertmanager object names are mounted each below a directory of its own name.
ALERTMANAGER_SECRETS = "alertmanager-secrets"
_SECRETS_DIRECTORY = f"/etc/alertmanager/secrets/{ALERTMANAGER_SECRETS}"
# What the operator's Prometheus and Alertmanager select objects by.
_LABELS = {"app.kubernetes.io/name": JOB, "app.kubernetes.io/component": "monitoring"}


def build(platform: Platform) -> Files:
    """A file an object, below `deploy/kubernetes/generated`."""
    files = {}
    documents = alerts.rule_documents(platform)
    if escalations := escalation.rule_groups(platform):
        documents[escalation.GROUP] = escalations
    for group, groups in documents.items():
        files[f"{DIRECTORY}/{group}.prometheusrule.yaml"] = yaml_file(_rule(group, groups))
    files[f"{DIRECTORY}/{JOB}.servicemonitor.yaml"] = yaml_file(_service_monitor(platform))
    files[f"{DIRECTORY}/alertmanager.secret.yaml"] = yaml_file(_secret(platform))
    return files


def _rule(group: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _metadata(f"{JOB}-{group}", role="alert-rules"),
        "spec": {"groups": groups},
    }


def _service_monitor(platform: Platform) -> dict[str, Any]:
    watched = platform.watched_by
    endpoint: dict[str, Any] = {
        "port": "http",
        "path": "/metrics",
        "interval": prometheus(watched.scrape_interval),
        "scrapeTimeout": prometheus(scrape.timeout(watched.scrape_interval)),
        # The operator adds a label `service`, which some of our metrics have themselves.
        "honorLabels": True,
    }
    if watched.exporter_auth is not None:
        endpoint["basicAuth"] = {
            key: {"name": f"{JOB}-metrics-auth", "key": key} for key in ("username", "password")
        }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _metadata(JOB),
        # The job is the service's name, which is what the rules ask for.
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": JOB}},
            "endpoints": [endpoint],
        },
    }


def secret_keys(platform: Platform) -> Mapping[str, str]:
    """The key in the Secret of Alertmanager's secrets for each file that the config names.

    A file's name or, where several have it, its whole path.
    """
    paths = dict.fromkeys(_files(routing.document(platform, _TEMPLATES)))
    names = Counter(PurePosixPath(path).name for path in paths)
    return {
        path: name
        if names[name := PurePosixPath(path).name] == 1
        else path.strip("/").replace("/", "_")
        for path in paths
    }


def _files(node: Any) -> Iterator[str]:
    """The file of every secret in Alertmanager's document."""
    if isinstance(node, list):
        for one in node:
            yield from _files(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key.endswith("_file"):
                yield value
            else:
                yield from _files(value)


def _mounted(node: Any, keys: Mapping[str, str]) -> Any:
    """The document with every secret's file where the operator mounts it."""
    if isinstance(node, list):
        return [_mounted(one, keys) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"{_SECRETS_DIRECTORY}/{keys[value]}"
        if key.endswith("_file")
        else _mounted(value, keys)
        for key, value in node.items()
    }


def _secret(platform: Platform) -> dict[str, Any]:
    written = _mounted(routing.document(platform, _TEMPLATES), secret_keys(platform))
    templates = {path.rpartition("/")[2]: text for path, text in messages.build(platform).items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata("alertmanager-config"),
        "stringData": {"alertmanager.yaml": yaml_file(written), **templates},
    }


def _metadata(name: str, **labels: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": {**_LABELS, **labels}}
