"""The settings of Postgres that alerts and dashboards compare figures with.

current_setting reads one; the view pg_settings makes up all 350 rows each time it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from model import names
from model.metric import Metric

_SQL = {
    "": "current_setting('{0}')::float8",
    "_bytes": "pg_size_bytes(current_setting('{0}'))",
    "_seconds": "extract(epoch FROM current_setting('{0}')::interval)",
}
_BOOL = "current_setting('{0}')::bool::int"
_PREFIX = "pg_settings_"

METRICS: Mapping[str, Metric] = {
    metric.name.removeprefix(_PREFIX): metric
    for metric in names.catalogue().values()
    if metric.name.startswith(_PREFIX)
}
_BOOLS = frozenset({"autovacuum", "fsync", "full_page_writes"})


def _column(name: str) -> str:
    unit = next((unit for unit in ("_bytes", "_seconds") if name.endswith(unit)), "")
    sql = _BOOL if name in _BOOLS else _SQL[unit]
    return f"{sql.format(name.removesuffix(unit))} AS {name}"


QUERY = f"SELECT {', '.join(map(_column, METRICS))}"
