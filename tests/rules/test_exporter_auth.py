"""Where the exporter asks for basic auth, whoever calls it is configured to show it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from model import BasicAuth
from model.load import load
from model.platform import Platform
from rules.compile import compile_files
from rules.prove import prove

ROOT = Path(__file__).resolve().parent.parent.parent
AUTH = {"username": "prometheus", "password_file": "/etc/secrets/metrics_password"}


@pytest.fixture(scope="module")
def plain() -> Platform:
    return load(ROOT / "config.py")


def with_auth(platform: Platform, **changes: object) -> Platform:
    watched = platform.watched_by.model_copy(update={"exporter_auth": BasicAuth(**AUTH)})
    return platform.model_copy(update={"watched_by": watched, **changes})


def watchdog_of(files: dict[str, str]) -> dict[str, object]:
    receivers = yaml.safe_load(files["alertmanager/alertmanager.yml"])["receivers"]
    found: dict[str, object] = next(
        one["webhook_configs"][0] for one in receivers if one["name"] == "dead-mans-switch"
    )
    return found


def test_nothing_is_shown_where_nothing_is_asked_for(plain: Platform) -> None:
    files = compile_files(plain)
    assert "basic_auth" not in "".join(files.values())


def test_prometheus_shows_it_to_the_exporter_and_to_nobody_else(plain: Platform) -> None:
    document = yaml.safe_load(compile_files(with_auth(plain))["rules/generated/prometheus.yml"])
    jobs = {job["job_name"]: job for job in document["scrape_configs"]}
    assert jobs["monitoring-service"]["basic_auth"] == AUTH
    assert [sd["basic_auth"] for sd in jobs["services"]["http_sd_configs"]] == [AUTH]
    assert not any("basic_auth" in jobs[name] for name in ("services", "prometheus"))


def test_alertmanager_shows_it_to_the_exporters_watchdog(plain: Platform) -> None:
    files = compile_files(with_auth(plain))
    assert watchdog_of(files)["http_config"] == {"basic_auth": AUTH}


def test_a_dead_mans_switch_elsewhere_never_sees_it(plain: Platform) -> None:
    elsewhere = with_auth(plain, dead_mans_switch="https://switch.example.com/ping")
    assert "http_config" not in watchdog_of(compile_files(elsewhere))


def test_what_comes_out_loads_and_holds_no_secret(plain: Platform) -> None:
    platform = with_auth(plain)
    assert [proof for proof in prove(platform, compile_files(platform)) if not proof.holds] == []
