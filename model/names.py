"""Every metric that rules and dashboards may name: the one catalogue.

Names that users of blackbox_exporter, postgres_exporter and redis_exporter already have on their
dashboards are kept to the letter. Those of Postgres, Redis and the monitored services stand in
`names_postgres.py`, `names_redis.py` and `names_services.py`.
"""

from __future__ import annotations

from model.metric import *  # noqa: F403 - whoever uses the catalogue needs its words
from model.metric import Collapse, Metric, MetricType, Scope
from model.names_alerting import *  # noqa: F403 - part of this catalogue
from model.names_backup import *  # noqa: F403 - part of this catalogue
from model.names_ledger import *  # noqa: F403 - part of this catalogue
from model.names_pool import *  # noqa: F403 - part of this catalogue
from model.names_postgres import *  # noqa: F403 - part of this catalogue
from model.names_postgres_settings import *  # noqa: F403 - part of this catalogue
from model.names_postgres_settings import PG_SETTINGS
from model.names_postgres_tables import *  # noqa: F403 - part of this catalogue
from model.names_redis import *  # noqa: F403 - part of this catalogue
from model.names_redis_replication import *  # noqa: F403 - part of this catalogue
from model.names_response import *  # noqa: F403 - part of this catalogue
from model.names_services import *  # noqa: F403 - part of this catalogue
from model.names_workers import *  # noqa: F403 - part of this catalogue

_G, _C, _H = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM
_T = ("target",)

# --- every kind of target, added by the runner --------------------------------------------------
PROBE_SUCCESS = Metric("probe_success", _G, "Whether the last probe succeeded.", ("target", "kind"))
PROBE_DURATION = Metric(
    "probe_duration_seconds", _G, "How long the last probe took.", ("target", "kind")
)
PROBE_FAILURE_REASON = Metric(
    "monitoring_probe_failure_reason",
    _G,
    "1 for the reason why the last probe failed; absent after a success.",
    ("target", "kind", "reason"),
    collapse=Collapse.MAX,
)
PROBE_LAST_RESULT = Metric(
    "monitoring_probe_last_result_timestamp_seconds",
    _G,
    "When the last probe ended.",
    ("target", "kind"),
    collapse=Collapse.MAX,
)
PROBES = Metric(
    "monitoring_probes_total",
    _C,
    "Probes that ended, by result.",
    ("target", "kind", "result"),
    scope=Scope.PROCESS,
    collapse=Collapse.SUM,
)
PROBE_START_DELAY = Metric(
    "monitoring_probe_start_delay_seconds",
    _H,
    "How much later than due probes started.",
    scope=Scope.PROCESS,
    collapse=Collapse.SUM,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0),
)
TARGET_DEGRADED = Metric(
    "monitoring_target_degraded",
    _G,
    "Whether the target answers, but calls itself degraded.",
    ("target", "kind"),
)
TARGET_INFO = Metric(
    "monitoring_target_info",
    _G,
    "Always 1: a target that this exporter is to probe, and the hash of the config that says so.",
    ("target", "kind", "config"),
    collapse=Collapse.MAX,
)

PROBE_WITHHELD = Metric(
    "monitoring_probe_withheld",
    _G,
    "1 while this exporter, cut off from its network, cannot tell what the target does; else none.",
    ("target", "kind"),
    collapse=Collapse.MAX,
)
MAINTENANCE = Metric(
    "monitoring_maintenance",
    _G,
    "Whether a target that a maintenance window names is in one now.",
    _T,
)

# --- HTTP, as in blackbox_exporter --------------------------------------------------------------
PROBE_DNS_LOOKUP_TIME = Metric(
    "probe_dns_lookup_time_seconds", _G, "How long resolving the target's name took.", _T
)
PROBE_IP_PROTOCOL = Metric(
    "probe_ip_protocol", _G, "Whether the target was reached by IPv4 or by IPv6.", _T
)
PROBE_FAILED_DUE_TO_REGEX = Metric(
    "probe_failed_due_to_regex", _G, "Whether a condition on the body or headers failed.", _T
)
PROBE_HTTP_STATUS_CODE = Metric(
    "probe_http_status_code", _G, "The answer's status code, 0 if there was none.", _T
)
PROBE_HTTP_REDIRECTS = Metric("probe_http_redirects", _G, "How many redirects were followed.", _T)
PROBE_HTTP_SSL = Metric("probe_http_ssl", _G, "Whether the last request was made over TLS.", _T)
PROBE_HTTP_VERSION = Metric("probe_http_version", _G, "The answer's version of HTTP.", _T)
PROBE_HTTP_CONTENT_LENGTH = Metric(
    "probe_http_content_length", _G, "The answer's Content-Length in bytes, -1 if not given.", _T
)
PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH = Metric(
    "probe_http_uncompressed_body_length", _G, "Bytes of the answer's body, decompressed.", _T
)
PROBE_HTTP_DURATION = Metric(
    "probe_http_duration_seconds",
    _G,
    "How long each phase took, summed over redirects.",
    ("target", "phase"),
)
PROBE_SSL_EARLIEST_CERT_EXPIRY = Metric(
    "probe_ssl_earliest_cert_expiry",
    _G,
    "When the first certificate of the chain expires, in unix time.",
    _T,
    collapse=Collapse.MIN,
)
PROBE_SSL_LAST_CHAIN_EXPIRY = Metric(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    _G,
    "When the last verified chain expires, in unix time; 0 if none was verified.",
    _T,
    collapse=Collapse.MIN,
)
PROBE_TLS_VERSION_INFO = Metric(
    "probe_tls_version_info", _G, "Always 1: the version of TLS in use.", ("target", "version")
)

# --- HTTP and TCP, only in the answers of /probe: blackbox_exporter has them --------------------
_D = Scope.ON_DEMAND
PROBE_TIMEOUT = Metric(
    "probe_timeout_seconds", _G, "How long the probe was allowed to take.", _T, scope=_D
)
PROBE_IP_ADDR_HASH = Metric(
    "probe_ip_addr_hash", _G, "A hash of the address, to see that it has changed.", _T, scope=_D
)
PROBE_FAILED_DUE_TO_BYTES = Metric(
    "probe_failed_due_to_bytes", _G, "Whether bytes that were expected did not come.", _T, scope=_D
)
PROBE_HTTP_LAST_MODIFIED = Metric(
    "probe_http_last_modified_timestamp_seconds",
    _G,
    "The answer's Last-Modified, in unix time.",
    _T,
    scope=_D,
)
PROBE_TLS_CIPHER_INFO = Metric(
    "probe_tls_cipher_info",
    _G,
    "Always 1: the cipher suite in use.",
    ("target", "cipher"),
    scope=_D,
)
PROBE_SSL_LAST_CHAIN_INFO = Metric(
    "probe_ssl_last_chain_info",
    _G,
    "Always 1: the certificate that the target has shown.",
    (
        "target",
        "fingerprint_sha256",
        "subject",
        "issuer",
        "subjectalternative",
        "serialnumber",
    ),
    scope=_D,
)

# --- remote JSON documents ----------------------------------------------------------------------
JSON_VALUE = Metric(
    "monitoring_json_value", _G, "A number read in a remote JSON document.", ("target", "name")
)
JSON_STATE = Metric(
    "monitoring_json_state",
    _G,
    "Whether a remote JSON document says this state; unknown is that it could not be read.",
    ("target", "state"),
)

# --- SQL metrics --------------------------------------------------------------------------------
SQL_LAST_SUCCESS = Metric(
    "monitoring_sql_last_success_timestamp_seconds",
    _G,
    "When the query last succeeded, in unix time; 0 if it never has.",
    _T,
    collapse=Collapse.MAX,
)
SQL_ROWS = Metric("monitoring_sql_rows", _G, "Rows that the query returned.", _T)

# --- the exporter itself ------------------------------------------------------------------------
_P = Scope.PROCESS
BUILD_INFO = Metric(
    "monitoring_build_info",
    _G,
    "Always 1: the exporter's version and Python's.",
    ("version", "python"),
    scope=_P,
    collapse=Collapse.MAX,
)
CONFIG_INFO = Metric(
    "monitoring_config_info",
    _G,
    "Always 1: the hash of the config that the exporter runs with.",
    ("sha256",),
    scope=_P,
    collapse=Collapse.MAX,
)
CONFIG_LAST_RELOAD_SUCCESSFUL = Metric(
    "monitoring_config_last_reload_successful",
    _G,
    "Whether the last attempt to load the config succeeded.",
    scope=_P,
    collapse=Collapse.MIN,
)
CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP = Metric(
    "monitoring_config_last_reload_success_timestamp_seconds",
    _G,
    "When the config in use was loaded, in unix time.",
    scope=_P,
    collapse=Collapse.MAX,
)
CONNECTIVITY_UP = Metric(
    "monitoring_connectivity_up",
    _G,
    "Whether this exporter's own network works: 0 while nothing at all answers it.",
    scope=_P,
    collapse=Collapse.MIN,
)
CONNECTIVITY_REFERENCE_UP = Metric(
    "monitoring_connectivity_reference_up",
    _G,
    "Whether a point of reference (gateway, name server, configured address) answered last time.",
    ("reference",),
    scope=_P,
    collapse=Collapse.MAX,
)
EVENT_LOOP_LAG = Metric(
    "monitoring_event_loop_lag_seconds",
    _G,
    "The longest delay of the event loop in the last 15 s.",
    scope=_P,
    collapse=Collapse.MAX,
)
PROBES_IN_FLIGHT = Metric(
    "monitoring_probes_in_flight", _G, "Probes under way.", scope=_P, collapse=Collapse.SUM
)
TASKS = Metric(
    "monitoring_tasks",
    _G,
    "Tasks of the event loop; more than a few for each probe under way are a leak.",
    scope=_P,
    collapse=Collapse.MAX,
)
ERRORS = Metric(
    "monitoring_errors_total",
    _C,
    "Errors inside the exporter, by component; a failed probe is not one.",
    ("component",),
    scope=_P,
    collapse=Collapse.SUM,
)
WATCHDOG_LAST_RECEIVED = Metric(
    "monitoring_watchdog_last_received_timestamp_seconds",
    _G,
    "When Alertmanager last delivered Watchdog here, in unix time; 0 if never.",
    scope=_P,
    collapse=Collapse.MAX,
)
# What else a process tells is in names_services.py, under the names that all programs have.
VIRTUAL_MEMORY = Metric(
    "process_virtual_memory_bytes", _G, "Virtual memory.", scope=_P, collapse=Collapse.MAX
)
MAX_FDS = Metric(
    "process_max_fds",
    _G,
    "File descriptors that may be open; each probe under way takes one.",
    scope=_P,
    collapse=Collapse.MIN,
)

MEMORY_LIMIT = Metric(
    "monitoring_memory_limit_bytes",
    _G,
    "Memory that the process may have, as its cgroup said at its start; absent without a limit.",
    scope=_P,
    collapse=Collapse.MIN,
)
SERVICE_MEMORY_LIMIT = Metric(
    "monitoring_service_memory_limit_bytes",
    _G,
    "Memory that each instance of a service may have, as the config says.",
    ("service",),
    scope=_P,
    collapse=Collapse.MAX,
)

# --- Prometheus itself --------------------------------------------------------------------------
_S = Scope.SERVICE
UP = Metric(
    "up",
    _G,
    "Whether Prometheus could scrape a target; those it finds by discovery have a service.",
    ("job", "instance", "service"),
    scope=_S,
    collapse=Collapse.MAX,
)
SCRAPE_DURATION = Metric(
    "scrape_duration_seconds",
    _G,
    "How long Prometheus' last scrape of a target took.",
    ("job", "instance"),
    scope=_S,
    collapse=Collapse.MAX,
)
SCRAPE_SAMPLES = Metric(
    "scrape_samples_scraped",
    _G,
    "Samples that the last scrape of a target brought.",
    ("job", "instance"),
    scope=_S,
    collapse=Collapse.MAX,
)
ALERTS = Metric(
    "ALERTS",
    _G,
    "Always 1: an alert that is pending or firing.",
    ("alertname", "alertstate", "severity", "service"),
    scope=_S,
    collapse=Collapse.MAX,
)
ALERTS_FOR_STATE = Metric(
    "ALERTS_FOR_STATE",
    _G,
    "Since when an alert has been pending or firing, in unix time.",
    ("alertname", "severity", "service"),
    scope=_S,
    collapse=Collapse.MIN,
)


def catalogue() -> dict[str, Metric]:
    """Every metric by its name."""
    named = (value for value in globals().values() if isinstance(value, Metric))
    return {metric.name: metric for metric in (*named, *PG_SETTINGS.values())}
