"""The collector of Postgres' settings: all that are numbers.

The view pg_settings makes up all 350 rows each time it is asked, so it is asked only when the
backend has read its configuration anew, or has become a primary.
"""

from __future__ import annotations

from exporter.probers.postgres.collector import Collector, Row, Values, always
from model.names import PG_SETTINGS

# Units of pg_settings (config-setting.html) to what they are multiplied and divided by.
_UNITS = {
    "": (1, 1),
    "B": (1, 1),
    "kB": (1 << 10, 1),
    "8kB": (1 << 13, 1),
    "16kB": (1 << 14, 1),
    "32kB": (1 << 15, 1),
    "64kB": (1 << 16, 1),
    "MB": (1 << 20, 1),
    "16MB": (1 << 24, 1),
    "32MB": (1 << 25, 1),
    "64MB": (1 << 26, 1),
    "GB": (1 << 30, 1),
    "TB": (1 << 40, 1),
    "ms": (1, 1000),
    "s": (1, 1),
    "min": (60, 1),
    "h": (3600, 1),
    "d": (86400, 1),
}
_WORDS = {"on": 1.0, "off": 0.0}

# Our own statement_timeout is no setting of the server.
_QUERY = """
SELECT name, CASE name WHEN 'statement_timeout' THEN reset_val ELSE setting END AS value,
       coalesce(unit, '') AS unit
FROM pg_settings WHERE vartype IN ('bool', 'integer', 'real')"""


def _values(row: Row) -> Values:
    metric, unit, text = PG_SETTINGS.get(row["name"]), _UNITS.get(row["unit"]), row["value"]
    if metric is None or unit is None or text is None:
        return
    word = _WORDS.get(text)
    value = float(text) if word is None else word
    # -1 says that something is off, whatever the unit.
    yield metric, (), value if value == -1 else value * unit[0] / unit[1]


SETTINGS = Collector(
    "settings",
    always(_QUERY),
    _values,
    stamp="pg_conf_load_time()::text || pg_is_in_recovery()::text",
)
