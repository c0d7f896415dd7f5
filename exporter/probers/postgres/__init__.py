"""The Postgres prober, and what SQL metrics use of it."""

from exporter.probers.postgres.collector import Collector
from exporter.probers.postgres.collectors import COLLECTORS
from exporter.probers.postgres.prober import PostgresProber

__all__ = ["COLLECTORS", "Collector", "PostgresProber"]
