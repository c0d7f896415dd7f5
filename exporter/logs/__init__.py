"""Logging: for people on a terminal, JSON lines elsewhere and in files; no secret in any line."""

from exporter.logs.lines import quiet
from exporter.logs.service_log import ServiceLog, usual_directory

__all__ = ["ServiceLog", "quiet", "usual_directory"]
