"""The names of the jobs that Prometheus scrapes."""

from collections.abc import Mapping
from types import MappingProxyType

JOB = "monitoring-service"
SERVICES_JOB = "services"
PROMETHEUS_JOB = "prometheus"
ALERTMANAGER_JOB = "alertmanager"
# The job of each kind of target that others have an exporter for.
PROBE_JOBS: Mapping[str, str] = MappingProxyType(
    {
        "http": "blackbox-http",
        "tcp": "blackbox-tcp",
        "postgres": "postgres",
        "redis": "redis",
    }
)
