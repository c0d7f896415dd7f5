"""The programs, each once."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """One program: what it is called, and where it comes from."""

    name: str
    variable: str
    """Names the program explicitly in the environment; of Postgres, the directory."""
    packages: tuple[str, ...]
    """Debian's packages, as a person would install them."""
    selection: tuple[str, ...]
    """The same for apt, as names or regular expressions.

    Every package that holds a part of the program is in it: what is installed already is fetched
    again only if it is named.
    """
    files: tuple[str, ...]
    """Names of its file; the first one found counts."""
    together: tuple[str, ...] = ()
    """Counts only where all of these lie in one directory."""


def _single(name: str, variable: str, package: str, *files: str) -> Program:
    return Program(name, variable, (package,), (package,), files or (name,))


def _redis(name: str, variable: str) -> Program:
    packages = ("redis-server", "redis-tools")
    return Program(name, variable, packages, packages, (name,))


def _postgres(name: str) -> Program:
    return Program(
        name,
        "POSTGRES_BIN",
        ("postgresql",),
        ("^postgresql-[0-9]+$", "^postgresql-client-[0-9]+$"),
        (name,),
        # A psql of another version, or Debian's wrapper that looks for clusters, is not wanted.
        ("initdb", "postgres", "psql"),
    )


PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        _single("prometheus", "PROMETHEUS", "prometheus"),
        _single("promtool", "PROMTOOL", "prometheus"),
        _single(
            "alertmanager",
            "ALERTMANAGER",
            "prometheus-alertmanager",
            "alertmanager",
            "prometheus-alertmanager",
        ),
        _single("amtool", "AMTOOL", "prometheus-alertmanager"),
        _postgres("initdb"),
        _postgres("postgres"),
        _postgres("psql"),
        _redis("redis-server", "REDIS_SERVER"),
        _redis("redis-cli", "REDIS_CLI"),
        # The browser without what draws windows: half as large to fetch.
        _single(
            "chromium", "CHROMIUM", "chromium-headless-shell", "chromium-headless-shell", "chromium"
        ),
    )
}
