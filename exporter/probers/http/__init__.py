"""The HTTP prober."""

from exporter.probers.http.network import Network
from exporter.probers.http.prober import HttpProber

__all__ = ["HttpProber", "Network"]
