"""The pool of connections that the ledger keeps to its Postgres: part of the catalogue.

The exporter shows none of them until it has a ledger: its probes take no connection of a pool.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

_G, _P = MetricType.GAUGE, Scope.PROCESS

DB_POOL_AVAILABLE = Metric(
    "monitoring_db_pool_available_connections",
    _G,
    "Connections of the pool that are idle, or may still be opened.",
    scope=_P,
    collapse=Collapse.SUM,
)
DB_POOL_WAITING = Metric(
    "monitoring_db_pool_waiting_requests",
    _G,
    "Requests that wait for a connection of the pool.",
    scope=_P,
    collapse=Collapse.SUM,
)
DB_POOL_MAX = Metric(
    "monitoring_db_pool_max_connections",
    _G,
    "Connections that the pool may have.",
    scope=_P,
    collapse=Collapse.SUM,
)
