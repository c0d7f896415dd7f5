"""The runbook's kubectl commands, held against deploy/kubernetes. There is no cluster at hand."""

from __future__ import annotations

import json
import shlex

import kubernetes_validate
from checks_docker import image
from classes import Checked
from manifests import NAMESPACE, container, merged, objects, only, patch_of

_NAME = "monitoring-service"


def words_of(line: str) -> list[str]:
    """The words of a command; of any service, ours."""
    return shlex.split(line.replace("<service-name>", _NAME))


def named_deployment(line: str) -> None:
    """The deployment that a command names is there, in the namespace that it names."""
    words = words_of(line)
    name = next(
        word.removeprefix("deployment/").removeprefix("svc/")
        for word in words
        if word.endswith(_NAME)
    )
    assert only("Deployment", name)["metadata"]["namespace"] == NAMESPACE
    if "-n" in words:
        assert words[words.index("-n") + 1] == NAMESPACE


def its_one_container_logs_to_standard_output(line: str) -> None:
    named_deployment(line)
    # Without -c, kubectl takes the only one; it writes to files only where LOG_DIR is.
    assert container(only("Deployment"))["name"] == _NAME
    assert "LOG_DIR" not in only("ConfigMap")["data"]
    assert image("CMD") == '["python", "-m", "exporter", "serve"]'


def there_is_a_revision_to_go_back_to(line: str) -> None:
    named_deployment(line)
    spec = only("Deployment")["spec"]
    assert spec["revisionHistoryLimit"] >= 1
    # The old version's pods come one by one, while the others serve.
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def the_patch_raises_the_limit_and_changes_nothing_else(line: str) -> None:
    named_deployment(line)
    before = only("Deployment")
    after = merged(before, json.loads(patch_of(line)))
    kubernetes_validate.validate(after, kubernetes_validate.latest_version(), strict=True)
    assert container(after)["resources"]["limits"] == {"memory": "2Gi"}
    container(after)["resources"]["limits"] = container(before)["resources"]["limits"]
    assert after == before


def several_replicas_are_allowed_to_share_the_ledger(line: str) -> None:
    named_deployment(line)
    assert "--replicas=3" in words_of(line)
    env = {one["name"]: one for one in container(only("Deployment"))["env"]}
    assert "DATABASE_URL_FILE" in env
    assert env["REPLICA"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def everything_is_in_this_namespace(line: str) -> None:
    words = words_of(line)
    assert words[words.index("-n") + 1] == NAMESPACE
    assert only("Namespace", NAMESPACE)
    assert all(
        one["metadata"]["namespace"] == NAMESPACE for one in objects() if one["kind"] != "Namespace"
    )


def the_image_has_a_shell(line: str) -> None:
    named_deployment(line)
    assert words_of(line)[-1] == "bash"
    assert "bash" in image("RUN apt-get").split()


def the_service_has_this_port(line: str) -> None:
    named_deployment(line)
    (port,) = only("Service")["spec"]["ports"]
    assert f"3017:{port['port']}" in words_of(line)


CHECKED = (
    Checked(
        "2. Investigate",
        ("kubectl logs",),
        its_one_container_logs_to_standard_output,
    ),
    Checked("API Error Rate High", ("kubectl rollout",), there_is_a_revision_to_go_back_to),
    Checked(
        "High Memory Usage",
        ("kubectl patch",),
        the_patch_raises_the_limit_and_changes_nothing_else,
    ),
    Checked(
        "Scale Horizontally",
        ("kubectl scale",),
        several_replicas_are_allowed_to_share_the_ledger,
    ),
    Checked("Kubernetes", ("get pods",), everything_is_in_this_namespace),
    Checked("Kubernetes", ("kubectl logs",), its_one_container_logs_to_standard_output),
    Checked("Kubernetes", ("kubectl exec",), the_image_has_a_shell),
    Checked("Kubernetes", ("port-forward",), the_service_has_this_port),
)
