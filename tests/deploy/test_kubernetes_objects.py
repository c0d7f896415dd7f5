"""deploy/kubernetes: valid objects under the runbook's names, and its commands fit them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from manifests import DIRECTORY, NAMESPACE, container, merged, objects, only, patch_of
from printed import USERS, read

from exporter.settings import Settings
from programs import find

OPERATOR = "monitoring.coreos.com/v1"

ROOT = Path(__file__).resolve().parents[2]
# As printed.
PATCH = patch_of(read(USERS).line("High Memory Usage", "kubectl patch").text)


def test_every_object_is_valid_to_the_newest_api_that_is_known() -> None:
    version = kubernetes_validate.latest_version()
    checked = [one for one in objects() if one["apiVersion"] != OPERATOR]
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)
    assert {"Namespace", "ConfigMap", "Deployment", "Service", "PodDisruptionBudget"} <= {
        one["kind"] for one in checked
    }
    assert {"Ingress", "NetworkPolicy"} <= {one["kind"] for one in checked}


def test_a_mistake_in_an_object_would_be_found() -> None:
    wrong = only("Deployment")
    container(wrong)["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_kustomize_is_told_of_every_file() -> None:
    told = yaml.safe_load((DIRECTORY / "kustomization.yaml").read_text())["resources"]
    there = {str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.yaml")}
    assert sorted(told) == sorted(there - {"kustomization.yaml"})


def test_names_are_those_of_the_runbook() -> None:
    for one in objects():
        if one["kind"] != "Namespace":
            assert one["metadata"]["namespace"] == NAMESPACE
    assert only("Namespace", NAMESPACE)
    deployment = only("Deployment")
    assert deployment["spec"]["replicas"] == 3
    (port,) = only("Service")["spec"]["ports"]
    assert port["port"] == 3017
    assert {"name": "http", "containerPort": 3017} in container(deployment)["ports"]


def test_the_runbooks_patch_raises_the_limit_and_changes_nothing_else() -> None:
    before = only("Deployment")
    after = merged(before, json.loads(PATCH))
    kubernetes_validate.validate(after, kubernetes_validate.latest_version(), strict=True)
    assert container(after)["resources"]["limits"] == {"memory": "2Gi"}
    container(after)["resources"]["limits"] = container(before)["resources"]["limits"]
    assert after == before


def test_kubectl_applies_the_patch_to_the_same_effect(tmp_path: Path) -> None:
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(only("Deployment")))
    command = [str(find("kubectl")), "patch", "--local", "-f", str(file), "-p", PATCH, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    expected = merged(only("Deployment"), json.loads(PATCH))
    assert container(said)["resources"] == container(expected)["resources"]
    assert container(said)["env"] == container(expected)["env"]


def test_kubectl_builds_all_of_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [find("kubectl"), "kustomize", str(DIRECTORY)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    built = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(done.stdout)}
    assert built == {(one["kind"], one["metadata"]["name"]) for one in objects()}


def test_the_pod_asks_for_no_right_that_it_does_not_need() -> None:
    pod = only("Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(only("Deployment"))["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_where_the_service_answers() -> None:
    probed = container(only("Deployment"))
    asked = {name: probed[name]["httpGet"] for name in probed if name.endswith("Probe")}
    assert asked == {
        "startupProbe": {"path": "/-/healthy", "port": "http"},
        "livenessProbe": {"path": "/-/healthy", "port": "http"},
        "readinessProbe": {"path": "/-/ready", "port": "http"},
    }


def test_secrets_are_files_of_a_secret_that_nothing_here_contains() -> None:
    of_files = {
        one["name"].removesuffix("_FILE"): one["value"]
        for one in container(only("Deployment"))["env"]
        if one["name"].endswith("_FILE")
    }
    assert {"DATABASE_URL", "JWT_SECRET", "INGEST_TOKEN"} == of_files.keys()
    assert all(name.lower() in Settings.model_fields for name in of_files)
    (mount,) = (
        one for one in container(only("Deployment"))["volumeMounts"] if one["name"] == "secrets"
    )
    assert {str(Path(path).parent) for path in of_files.values()} == {mount["mountPath"]}
    # The operator's way to hand Alertmanager its file; tests/rules holds it to have no secret.
    assert {one["metadata"]["name"] for one in objects() if one["kind"] == "Secret"} == {
        "alertmanager-config"
    }


def test_each_replica_is_called_by_its_pods_name() -> None:
    env = {one["name"]: one for one in container(only("Deployment"))["env"]}
    assert env["REPLICA"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_settings_are_ones_that_the_service_has() -> None:
    for name in only("ConfigMap")["data"]:
        assert name.lower() in Settings.model_fields or name == "REDIS_URL"


def test_everything_selects_the_pods_and_prometheus_finds_each_once() -> None:
    labels = only("Deployment")["spec"]["template"]["metadata"]["labels"]
    services = [one for one in objects() if one["kind"] == "Service"]
    assert [one["spec"]["selector"] for one in services] == [labels, labels]
    assert [one["spec"].get("clusterIP") for one in services] == [None, "None"]
    assert only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    monitor = only("ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    scraped = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    # Its name becomes the job that the rules ask for.
    assert [one["metadata"]["name"] for one in scraped] == ["monitoring-service"]
    assert [one["port"] for one in monitor["endpoints"]] == [scraped[0]["spec"]["ports"][0]["name"]]


def test_a_drain_leaves_two_replicas() -> None:
    assert only("PodDisruptionBudget")["spec"]["minAvailable"] == 2


def test_the_ingress_serves_the_runbooks_host_by_tls() -> None:
    spec = only("Ingress")["spec"]
    assert [one["hosts"] for one in spec["tls"]] == [["monitoring.tickettoken.com"]]
    (rule,) = spec["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "monitoring-service", "port": {"name": "http"}}
