"""The services' own part of the catalogue: what they expose themselves and Prometheus scrapes.

The exporter never writes these. Prometheus adds `service` to each of them, as discovery
(`/api/sd/services`) tells it to.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

_G, _C, _H = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM
_S = Scope.SERVICE
_REQUEST = ("method", "route", "status_code", "service")

# --- requests -----------------------------------------------------------------------------------
HTTP_REQUESTS = Metric(
    "http_requests_total",
    _C,
    "Requests that a service has answered.",
    _REQUEST,
    scope=_S,
    collapse=Collapse.SUM,
)
HTTP_REQUEST_DURATION = Metric(
    "http_request_duration_seconds",
    _H,
    "How long a service took to answer.",
    _REQUEST,
    scope=_S,
    collapse=Collapse.SUM,
    # Those of prom-client, which a service may have set otherwise.
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

# --- queues -------------------------------------------------------------------------------------
# Replicas of a service look at one queue, which is not the longer for that.
QUEUE_SIZE = Metric(
    "queue_size",
    _G,
    "Jobs that wait in a queue.",
    ("queue_name", "service"),
    scope=_S,
    collapse=Collapse.MAX,
)
QUEUE_DEPTH = Metric(
    "queue_depth",
    _G,
    "Jobs that wait in a service's queue.",
    ("service",),
    scope=_S,
    collapse=Collapse.MAX,
)
NOTIFICATION_QUEUE_DEPTH = Metric(
    "notification_queue_depth",
    _G,
    "Notifications that wait to be sent.",
    ("service",),
    scope=_S,
    collapse=Collapse.MAX,
)

# --- minting ------------------------------------------------------------------------------------
MINTS = Metric(
    "mints_total", _C, "Mints that were finished.", ("service",), scope=_S, collapse=Collapse.SUM
)
MINTS_FAILED = Metric(
    "mints_failed_total",
    _C,
    "Mints that have failed.",
    ("service",),
    scope=_S,
    collapse=Collapse.SUM,
)

# --- processes ----------------------------------------------------------------------------------
# The exporter has these too; Prometheus adds no `service` to its own.
RESIDENT_MEMORY = Metric(
    "process_resident_memory_bytes",
    _G,
    "Resident memory.",
    ("service",),
    scope=_S,
    collapse=Collapse.MAX,
)
PROCESS_CPU = Metric(
    "process_cpu_seconds_total",
    _C,
    "CPU time that a process has used.",
    ("service",),
    scope=_S,
    collapse=Collapse.SUM,
)
PROCESS_START_TIME = Metric(
    "process_start_time_seconds",
    _G,
    "When a process started, in unix time.",
    ("service",),
    scope=_S,
    collapse=Collapse.MAX,
)
OPEN_FDS = Metric(
    "process_open_fds",
    _G,
    "Open file descriptors.",
    ("service",),
    scope=_S,
    collapse=Collapse.MAX,
)
