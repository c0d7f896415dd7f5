"""Finds or fetches the outside programs that tests, demo and checks need, and runs servers of them.

Uses only the standard library and nothing else of this project, so that it works before anything
is installed.
"""

from programs.alertmanager import Alertmanager
from programs.errors import FetchError, MissingProgramError, ServerError
from programs.faketime import Clock
from programs.fetch import Unpacked, fetch
from programs.find import find, version
from programs.postgres import Postgres
from programs.process import child, free_port
from programs.prometheus import Prometheus
from programs.redis import Redis, Sentinel
from programs.server import Server
from programs.system import System
from programs.table import PROGRAMS, Program

__all__ = [
    "PROGRAMS",
    "Alertmanager",
    "Clock",
    "FetchError",
    "MissingProgramError",
    "Postgres",
    "Program",
    "Prometheus",
    "Redis",
    "Sentinel",
    "Server",
    "ServerError",
    "System",
    "Unpacked",
    "child",
    "fetch",
    "find",
    "free_port",
    "version",
]
