"""prometheus.yml: whom Prometheus scrapes, which rules it evaluates, whom it alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from model.durations import prometheus, seconds
from model.jobs import ALERTMANAGER_JOB, JOB, PROBE_JOBS, PROMETHEUS_JOB, SERVICES_JOB
from model.platform import Platform
from rules.output import Files, yaml_file

PATH = "rules/generated/prometheus.yml"

# A service's /metrics is not ours: what a bug there can cost Prometheus is limited.
_SERVICE_LIMITS = {"sample_limit": 20_000, "label_limit": 64, "body_size_limit": "16MB"}


def build(platform: Platform) -> Files:
    """prometheus.yml, beside the rules that it loads."""
    watched = platform.watched_by
    document = {
        "global": {
            "scrape_interval": prometheus(watched.scrape_interval),
            "scrape_timeout": prometheus(timeout(watched.scrape_interval)),
            "evaluation_interval": prometheus(watched.evaluation_interval),
        },
        "rule_files": ["*.rules.yml"],
        "alerting": {"alertmanagers": [_static(watched.alertmanagers)]},
        "scrape_configs": _jobs(platform),
    }
    return {PATH: yaml_file(document)}


def _jobs(platform: Platform) -> list[dict[str, Any]]:
    watched = platform.watched_by
    services_interval = watched.services_scrape_interval
    authorised = basic_auth(platform)
    discovery = [
        {"url": f"http://{exporter}/api/sd/services", "refresh_interval": "30s", **authorised}
        for exporter in watched.exporters
    ]
    return [
        {"job_name": JOB, **authorised, **_static(watched.exporters)},
        {
            "job_name": SERVICES_JOB,
            "scrape_interval": prometheus(services_interval),
            "scrape_timeout": prometheus(timeout(services_interval)),
            **_SERVICE_LIMITS,
            "http_sd_configs": discovery,
        },
        {"job_name": PROMETHEUS_JOB, **_static(watched.prometheus)},
        {"job_name": ALERTMANAGER_JOB, **_static(watched.alertmanagers)},
        *_probe_jobs(platform),
    ]


def _probe_jobs(platform: Platform) -> list[dict[str, Any]]:
    """A job a kind that is scraped through /probe, as the kind's own exporter would be."""
    watched = platform.watched_by
    if not watched.probe_jobs:
        return []
    interval = watched.services_scrape_interval
    return [
        {
            "job_name": job,
            "metrics_path": "/probe",
            "scrape_interval": prometheus(interval),
            "scrape_timeout": prometheus(timeout(interval)),
            **basic_auth(platform),
            **_static(names),
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                # One replica is enough: this is for people who look, not for what pages.
                {"target_label": "__address__", "replacement": watched.exporters[0]},
            ],
        }
        for kind, job in PROBE_JOBS.items()
        if (names := tuple(target.name for target in platform.targets if target.kind == kind))
    ]


def job_names(platform: Platform) -> list[str]:
    """The values that the label `job` has."""
    return [job["job_name"] for job in _jobs(platform)]


def basic_auth(platform: Platform) -> dict[str, Any]:
    """What a client of the exporter is configured with where it asks for basic auth."""
    auth = platform.watched_by.exporter_auth
    if auth is None:
        return {}
    return {"basic_auth": {"username": auth.username, "password_file": auth.password_file}}


def _static(addresses: tuple[str, ...]) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(addresses)}]}


def timeout(interval: timedelta) -> timedelta:
    """As long as the interval allows with a second to spare, at most Prometheus' own 10 s."""
    return max(min(seconds(10), interval - seconds(1)), interval / 2)
