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
    version_argument: str = "--version"
    """What it tells its version to."""
    in_demo: bool = True
    """Whether the demo needs it, or only tests do."""
    in_tests: bool = True
    """Whether tests need it, or only `make image-root` and `make bench` do."""
    suite: str | None = None
    """The distribution's suite that has it, where the system's own has none that serves."""
    least: int = 0
    """The number of the oldest version that serves."""


def _single(name: str, variable: str, package: str, *files: str) -> Program:
    return Program(name, variable, (package,), (package,), files or (name,))


def _tested_with(
    name: str,
    package: str | None = None,
    *files: str,
    selection: tuple[str, ...] = (),
    version_argument: str = "--version",
    suite: str | None = None,
    least: int = 0,
    in_tests: bool = True,
) -> Program:
    """A program that people type, or put in front of the service."""
    packages = (package or name,)
    return Program(
        name,
        name.upper().replace("-", "_"),
        packages,
        selection or packages,
        files or (name,),
        version_argument=version_argument,
        in_demo=False,
        in_tests=in_tests,
        suite=suite,
        least=least,
    )


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
        _postgres("pg_dump"),
        _redis("redis-server", "REDIS_SERVER"),
        _redis("redis-cli", "REDIS_CLI"),
        # The browser without what draws windows: half as large to fetch.
        _tested_with("chromium", "chromium-headless-shell", "chromium-headless-shell", "chromium"),
        # What the runbook's commands are made of, and a bare Debian has not.
        _tested_with("curl"),
        _tested_with("jq"),
        _tested_with("logrotate"),
        _tested_with("lsof", version_argument="-v"),
        _tested_with("nginx", version_argument="-v"),
        _tested_with("openssl", version_argument="version"),
        # By its own name: another telnet does not tell its version.
        _tested_with("telnet", "inetutils-telnet", "inetutils-telnet"),
        # What judges the files of deploy/. These are content with the system's C library, and
        # Debian 12 has docker-compose as it was before the specification, and an old kubectl.
        _tested_with(
            "kubectl",
            "kubernetes-client",
            selection=("kubectl", "kubernetes-client"),
            version_argument="version --client",
            suite="sid",
        ),
        _tested_with("docker-compose", suite="sid", least=2),
        _tested_with("systemd-analyze", "systemd"),
        # What makes a root of it.
        _tested_with("buildah", in_tests=False),
        _tested_with("debootstrap", in_tests=False),
    )
}
