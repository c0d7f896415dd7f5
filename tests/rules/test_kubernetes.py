"""The Prometheus operator's objects: what its schema takes, and the same rules as the files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from routed import changed

from model.declared import ConfigError
from model.load import load
from model.platform import Platform
from programs import find
from rules import alerts, escalation, kubernetes, messages, routing
from rules.limits import GROUPS, RULES_PER_GROUP, refuse_too_many, within_limits
from rules.proof import call

ROOT = Path(__file__).resolve().parents[2]
# Of monitoring.coreos.com/v1, as far as they concern us. The one PyPI package with its models
# installs a pytest plugin that needs a cluster's tools.
TOP = {"apiVersion", "kind", "metadata", "spec"}
GROUP = {"name", "interval", "rules", "limit", "query_offset", "labels"}
RULE = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
MOUNTED = f"/etc/alertmanager/secrets/{kubernetes.ALERTMANAGER_SECRETS}"
ENDPOINT = {"port", "path", "interval", "scrapeTimeout", "honorLabels", "basicAuth", "scheme"}


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load(ROOT / "config.py")


@pytest.fixture(scope="module")
def objects(platform: Platform) -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in kubernetes.build(platform).values()]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def unknown(node: dict[str, Any], known: set[str]) -> set[str]:
    return node.keys() - known


def test_rules_and_groups_have_only_fields_that_the_operators_schema_has(
    objects: list[dict[str, Any]],
) -> None:
    for one in of_kind(objects, "PrometheusRule"):
        assert unknown(one, TOP) == set()
        for group in one["spec"]["groups"]:
            assert unknown(group, GROUP) == set()
            for rule in group["rules"]:
                assert unknown(rule, RULE) == set()
                assert ("alert" in rule) != ("record" in rule)


def test_the_monitor_has_only_fields_that_the_operators_schema_has(
    objects: list[dict[str, Any]],
) -> None:
    (monitor,) = of_kind(objects, "ServiceMonitor")
    assert unknown(monitor, TOP) == set()
    assert monitor["spec"].keys() == {"selector", "endpoints"}
    (endpoint,) = monitor["spec"]["endpoints"]
    assert unknown(endpoint, ENDPOINT) == set()


def test_the_rules_are_those_that_prometheus_loads_from_files(
    platform: Platform, objects: list[dict[str, Any]]
) -> None:
    files = {**alerts.build(platform), **escalation.build(platform)}
    of_files = [group for text in files.values() for group in yaml.safe_load(text)["groups"]]
    of_objects = [g for one in of_kind(objects, "PrometheusRule") for g in one["spec"]["groups"]]
    assert of_objects == of_files


def test_all_are_in_the_runbooks_namespace_under_names_of_their_own(
    objects: list[dict[str, Any]],
) -> None:
    assert {one["metadata"]["namespace"] for one in objects} == {"tickettoken-monitoring"}
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(names)) == len(names)
    assert ("ServiceMonitor", "monitoring-service") in names


def test_the_secret_is_alertmanagers_file_with_its_templates_and_without_secrets(
    platform: Platform, objects: list[dict[str, Any]], tmp_path: Path
) -> None:
    (secret,) = of_kind(objects, "Secret")
    data = secret["stringData"]
    for name, text in data.items():
        (tmp_path / name).write_text(text.replace("/etc/alertmanager/config", str(tmp_path)))
    done = call(
        [str(find("amtool")), "check-config", str(tmp_path / "alertmanager.yaml")], tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "1 templates" in done.stdout
    generated = routing.build(platform)[routing.PATH]
    moved = generated.replace("/etc/alertmanager/secrets/", f"{MOUNTED}/")
    assert yaml.safe_load(data["alertmanager.yaml"]) == {
        **yaml.safe_load(moved),
        "templates": ["/etc/alertmanager/config/*.tmpl"],
    }
    assert list(messages.build(platform).values()) == [data["monitoring.tmpl"]]


def test_secrets_are_read_from_where_the_operator_mounts_one_secret(
    platform: Platform, objects: list[dict[str, Any]]
) -> None:
    (secret,) = of_kind(objects, "Secret")
    read = set(re.findall(r"_file: (\S+)", secret["stringData"]["alertmanager.yaml"]))
    keys = kubernetes.secret_keys(platform).values()
    assert read == {f"{MOUNTED}/{key}" for key in keys}
    assert {"smtp_password", "slack_webhook_url", "ingest_token"} <= set(keys)
    documented = (ROOT / "docs" / "deploy.md").read_text()
    assert set(re.findall(r"--from-file=(\w+)", documented)) >= set(keys)
    assert f"secret generic {kubernetes.ALERTMANAGER_SECRETS}" in documented


def test_files_of_one_name_in_two_directories_have_two_keys(tmp_path: Path) -> None:
    platform = changed(tmp_path, ('"/run/slack"', '"/run/b/key"'), ('"/run/pagerduty"', '"/a/key"'))
    keys = kubernetes.secret_keys(platform)
    assert (keys["/run/b/key"], keys["/a/key"]) == ("run_b_key", "a_key")
    assert keys["/run/ingest"] == "ingest"
    assert len(set(keys.values())) == len(keys)


def test_the_exporters_password_is_a_reference_to_a_secret(tmp_path: Path) -> None:
    auth = 'watched_by=Prometheus(exporter_auth=BasicAuth(username="p", password_file="/run/p")),'
    platform = changed(tmp_path, ('base_url="https', f'{auth}\n    base_url="https'))
    objects = [yaml.safe_load(text) for text in kubernetes.build(platform).values()]
    (monitor,) = of_kind(objects, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["basicAuth"]["password"] == {
        "name": "monitoring-service-metrics-auth",
        "key": "password",
    }


# --- Mimir's limits -----------------------------------------------------------------------------


def group(count: int) -> dict[str, Any]:
    return {"name": "many", "interval": "5s", "rules": [{"alert": f"A{n}"} for n in range(count)]}


@pytest.mark.parametrize(
    ("count", "parts"),
    [
        (RULES_PER_GROUP, {"many": 20}),
        (RULES_PER_GROUP + 1, {"many": 20, "many-2": 1}),
        (2 * RULES_PER_GROUP + 1, {"many": 20, "many-2": 20, "many-3": 1}),
    ],
)
def test_a_group_is_split_where_mimir_would_refuse_it(count: int, parts: dict[str, int]) -> None:
    split = within_limits(group(count))
    assert {part["name"]: len(part["rules"]) for part in split} == parts
    assert [rule for part in split for rule in part["rules"]] == group(count)["rules"]
    assert {part["interval"] for part in split} == {"5s"}


def test_more_groups_than_mimir_takes_are_refused() -> None:
    refuse_too_many(GROUPS)
    with pytest.raises(ConfigError, match="make 71 groups, and Mimir takes 70"):
        refuse_too_many(GROUPS + 1)
