"""deploy/compose.yaml, read by the real docker-compose; and the secrets that it is given."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings import read_settings
from programs import find

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as docker-compose understands it; it is an error if it does not."""
    done = subprocess.run(
        [find("docker-compose"), "--file", FILE, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "level=warning" not in done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_it_has_all_that_monitoring_needs_under_the_runbooks_name(compose: dict[str, Any]) -> None:
    assert compose["services"].keys() == {
        "monitoring-service",
        "postgres",
        "redis",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert compose["services"]["monitoring-service"]["container_name"] == "monitoring-service"


def test_each_is_checked_and_may_do_little(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        # The service's own check is in its image.
        assert ("healthcheck" in service) != (name == "monitoring-service"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["restart"] == "unless-stopped", name
        assert not re.search(r":latest$", service["image"]) or name == "monitoring-service", name


def test_only_this_machine_reaches_what_listens(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))
    assert compose["networks"]["stores"]["internal"] is True
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"].keys() == {"stores"}
        assert "ports" not in compose["services"][name]


def test_every_file_that_is_mounted_is_in_the_repository(compose: dict[str, Any]) -> None:
    binds = [
        mount
        for service in compose["services"].values()
        for mount in service.get("volumes", ())
        if mount["type"] == "bind"
    ]
    assert len(binds) >= 6
    for mount in binds:
        assert Path(mount["source"]).exists(), mount
        assert mount["read_only"] is True


def test_alertmanager_gets_every_secret_that_its_config_names(compose: dict[str, Any]) -> None:
    config = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    named = set(re.findall(r"_file: (/etc/alertmanager/secrets/\S+)", config))
    given = {one["target"] for one in compose["services"]["alertmanager"]["secrets"]}
    assert named == given


def test_no_secret_is_in_the_file() -> None:
    document = yaml.safe_load(FILE.read_text())
    for service in document["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"SECRET|TOKEN|PASSWORD|DATABASE_URL", name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")
    for secret in document["secrets"].values():
        assert secret["file"].startswith("secrets/")


def made(directory: Path) -> dict[str, str]:
    subprocess.run(
        ["sh", ROOT / "deploy" / "make-secrets.sh", directory],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return {path.name: path.read_text() for path in (directory / "secrets").iterdir()}


def test_secrets_are_made_once_and_kept(tmp_path: Path, compose: dict[str, Any]) -> None:
    first = made(tmp_path)
    assert first.keys() == compose["secrets"].keys()
    assert made(tmp_path) == first
    assert made_elsewhere(tmp_path)["jwt_secret"] != first["jwt_secret"]


def made_elsewhere(tmp_path: Path) -> dict[str, str]:
    other = tmp_path / "other"
    other.mkdir()
    return made(other)


def test_secrets_are_nobodys_but_the_containers(tmp_path: Path) -> None:
    made(tmp_path)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "secrets").iterdir():
        # Their users are not the owner of the file, which is mounted by itself.
        assert path.stat().st_mode & 0o777 == 0o444


def test_the_service_takes_the_secrets_that_are_made(tmp_path: Path) -> None:
    files = made(tmp_path)
    variables = {
        f"{name.upper()}_FILE": str(tmp_path / "secrets" / name)
        for name in ("database_url", "jwt_secret", "ingest_token")
    }
    settings = read_settings(variables)
    assert settings.database_url is not None
    assert files["postgres_password"] in settings.database_url.get_secret_value()


def test_git_never_takes_a_secret_along() -> None:
    for path in ("deploy/secrets/jwt_secret", "deploy/.env"):
        ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert ignored.returncode == 0, path
    assert os.access(ROOT / "deploy" / "make-secrets.sh", os.R_OK)
