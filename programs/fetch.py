"""Debian's packages, unpacked into the cache without installing anything."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import cache
from programs.errors import FetchError
from programs.process import tied
from programs.relocate import (
    LAUNCHERS,
    PROGRAM_DIRECTORIES,
    ROOT,
    strip_privileges,
    write_launchers,
)
from programs.sources import distribution, own_archive
from programs.system import System

_TOOLS = ("apt-get", "dpkg", "setpriv")
# A C library other than the one of the system's loader crashes whatever loads it.
_LOADER_PACKAGES = ("libc6_", "libc-bin_", "libc6-")

# The system's own configuration is read before this one: proxies and credentials stay valid, its
# hooks, which may clean the system's caches, do not run.
_APT_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke-Stats;
#clear DPkg::Pre-Install-Pkgs;
#clear AptCli::Hooks;
#clear APT::Default-Release;
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Keep-Downloaded-Packages "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Debug::NoLocking "true";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{work}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "{work}/preferences";
Dir::State "{work}/state";
Dir::State::lists "{work}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/archives";
Dir::Log "{work}/log";
"""


@dataclass(frozen=True)
class Unpacked:
    """Packages, with the libraries they need beyond the system's, as they lie in the cache."""

    directory: Path

    @property
    def root(self) -> Path:
        """Stands for / in the packages' own paths."""
        return self.directory / ROOT

    def directories(self) -> list[Path]:
        """Where its programs lie; Postgres' newest version first."""
        launchers = self.directory / LAUNCHERS
        return [
            path
            for pattern in PROGRAM_DIRECTORIES
            for path in sorted(launchers.glob(pattern), key=by_version, reverse=True)
        ]

    def program(self, name: str) -> Path:
        """The path to run a program by; raises FetchError if the packages do not hold it."""
        for directory in self.directories():
            if (directory / name).is_file():
                return directory / name
        raise FetchError(f"the packages in {self.directory} hold no program {name}")


def by_version(path: Path) -> list[int]:
    """Sorts paths by the numbers in them."""
    return [int(number) for number in re.findall(r"\d+", str(path))]


def fetch(
    packages: Sequence[str], suite: str | None = None, system: System | None = None
) -> Unpacked:
    """Fetches packages (names, or apt's regular expressions) unless the cache has them.

    `suite` None is the system's own release; another one of the distribution, such as "sid", serves
    programs that are content with the system's C library, as those written in Go are. Needs no
    root, changes nothing but the cache. Raises FetchError with the reason in one line.
    """
    system = system or System()
    shelf = _shelf(system, suite)
    final = shelf / _slug(packages)
    if final.is_dir():
        return Unpacked(final)
    for tool in _TOOLS:
        if shutil.which(tool, path=system.path) is None:
            raise FetchError(f"there is no {tool}")
    sources = own_archive(system, suite)
    with cache.locked(shelf):
        if not final.is_dir():
            with cache.appearing(final) as unfinished:
                _Fetch(system, unfinished, sources, suite).run(packages)
    return Unpacked(final)


def cached(packages: Sequence[str], system: System, suite: str | None = None) -> Unpacked | None:
    """What an earlier fetch of the same packages left, if there was one."""
    final = _shelf(system, suite) / _slug(packages)
    return Unpacked(final) if final.is_dir() else None


def _shelf(system: System, suite: str | None) -> Path:
    """Keeps apart what does not fit together, also after an upgrade of the system."""
    release = distribution(system)
    name = f"{release.identity}-{release.codename}-{os.uname().machine}"
    shelf = cache.cache_directory(system.environment) / "packages" / name / (suite or "own")
    cache.make(shelf)
    return shelf


def _slug(packages: Sequence[str]) -> str:
    return "+".join(re.sub(r"[^a-z0-9.]+", "-", name).strip("-") for name in sorted(packages))


@dataclass(frozen=True)
class _Fetch:
    system: System
    target: Path
    sources: str
    suite: str | None

    def run(self, packages: Sequence[str]) -> None:
        work = self.target / "work"
        self._prepare(work)
        update = self._apt("update")
        # --reinstall: what is installed, but not where it was looked for, is wanted too.
        install = self._apt("install", "--download-only", "--reinstall", "--yes", *packages)
        if install.returncode != 0:
            raise FetchError(_reason(update.stdout) or _reason(install.stdout) or "apt-get failed")
        self._unpack(sorted((work / "archives").glob("*.deb")))
        shutil.rmtree(work)
        strip_privileges(self.target / ROOT)
        write_launchers(self.target / ROOT, self.target / LAUNCHERS)

    def _prepare(self, work: Path) -> None:
        for name in ("sources", "preferences", "state", "lists/partial", "archives/partial", "log"):
            (work / name).mkdir(parents=True)
        (work / "sources" / "own.sources").write_text(self.sources)
        (work / "apt.conf").write_text(_APT_CONFIGURATION.format(work=work))

    def _apt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        configuration = self.target / "work" / "apt.conf"
        return self._call("apt-get", "-q", "-c", str(configuration), *arguments)

    def _unpack(self, archives: Sequence[Path]) -> None:
        root = self.target / ROOT
        root.mkdir()
        root.chmod(0o755)
        for archive in archives:
            if self.suite is not None and archive.name.startswith(_LOADER_PACKAGES):
                continue
            result = self._call("dpkg", "-x", str(archive), str(root))
            if result.returncode != 0:
                raise FetchError(f"{archive.name} cannot be unpacked: {_last_line(result.stdout)}")

    def _call(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **self.system.environment,
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return subprocess.run(
            tied(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def _reason(output: str) -> str | None:
    """The first complaint of apt, an error before a warning."""
    complaints = re.findall(r"^(Err|E|W):\s*(.+)", output, re.MULTILINE)
    for wanted in ("E", "W", "Err"):
        for kind, text in complaints:
            if kind == wanted:
                return str(text)
    return None


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
