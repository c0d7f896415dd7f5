"""What services are to expose, and the expression that tells what they lack."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.declared import ConfigError
from model.exposed import missing_metrics
from model.names import HTTP_REQUESTS, PG_UP, QUEUE_SIZE, UP, catalogue
from model.targets import Service


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exposes": (PG_UP,)}, "exposes: pg_up is not a metric of services"),
        ({"exposes": (HTTP_REQUESTS,), "metrics_path": None}, "exposes: give a metrics_path"),
        ({"exposes": ("http_requests_total",)}, "exposes"),
    ],
)
def test_what_a_service_cannot_be_held_to_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Service(name="shop", port=1, **settings)


def test_nothing_can_be_missing_where_nothing_is_promised() -> None:
    with pytest.raises(ConfigError, match="no service says what it exposes"):
        missing_metrics([Service(name="shop", port=1)])


def test_each_metric_is_missed_at_those_services_that_promise_it() -> None:
    expr = missing_metrics(
        [
            Service(name="shop", port=1, exposes=(HTTP_REQUESTS, QUEUE_SIZE)),
            Service(name="web", port=2, exposes=(HTTP_REQUESTS,)),
            Service(name="mail", port=3),
        ]
    )
    assert expr.labels == {"service", "metric"}
    both, one = 'job="services",service=~"shop|web"', 'job="services",service=~"shop"'
    assert str(expr) == (
        f"label_replace(max by (service) (up{{{both}}}) unless on (service) "
        "sum by (service) (http_requests_total), "
        '"metric", "http_requests_total", "", "") or '
        f"label_replace(max by (service) (up{{{one}}}) unless on (service) "
        "max by (service) (queue_size), "
        '"metric", "queue_size", "", "")'
    )


def test_the_catalogue_knows_what_the_platforms_services_are_known_to_expose() -> None:
    assert {
        "http_requests_total",
        "http_request_duration_seconds",
        "queue_size",
        "queue_depth",
        "notification_queue_depth",
        "mints_total",
        "mints_failed_total",
        "process_resident_memory_bytes",
    } <= set(catalogue())
    assert "service" in UP.labels
