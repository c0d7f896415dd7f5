"""The Postgres prober, and what SQL metrics use of it."""

from exporter.probers.postgres.collectors import COLLECTORS, Collector
from exporter.probers.postgres.prober import PostgresProber

__all__ = ["COLLECTORS", "Collector", "PostgresProber"]
