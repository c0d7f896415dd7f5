"""Which of the system's apt sources are the distribution's own archive.

Entries of third parties are left out: their errors must not stop a fetch, and nothing of theirs is
wanted.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from programs.errors import FetchError
from programs.system import System

_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
# What an entry may say instead of the release's own name.
_ALIASES = ("stable", "oldstable", "oldoldstable", "testing")
_ROLLING = ("unstable", "sid")
_POCKETS = ("", "-updates", "-security")
_LISTED = {"arch": "architectures", "lang": "languages", "target": "targets"}


@dataclass(frozen=True)
class Distribution:
    """Debian or Ubuntu, and the name of its release."""

    identity: str
    codename: str


@dataclass(frozen=True)
class Entry:
    """One enabled source of binary packages; options have deb822's names in lower case."""

    uris: str
    suites: tuple[str, ...]
    options: Mapping[str, str]

    def stanza(self, suites: tuple[str, ...], components: str) -> str:
        """The entry in deb822 format for these suites, of which only packages are wanted."""
        fields = {
            **self.options,
            "types": "deb",
            "uris": self.uris,
            "suites": " ".join(suites),
            "components": components,
            "targets": "Packages",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())


def distribution(system: System) -> Distribution:
    """The system's distribution; raises FetchError if it is neither Debian nor Ubuntu."""
    fields: dict[str, str] = {}
    if system.os_release.is_file():
        for word in shlex.split(system.os_release.read_text(), comments=True):
            name, _, value = word.partition("=")
            fields[name] = value
    identity = fields.get("ID", "unknown")
    if identity not in _COMPONENTS:
        raise FetchError(f"packages are fetched only on Debian and Ubuntu, this is {identity}")
    return Distribution(identity, fields.get("VERSION_CODENAME", "sid"))


def own_archive(system: System, suite: str | None) -> str:
    """The apt sources, in deb822 format, to fetch from: the system's own release or another suite.

    Raises FetchError if the system's sources name no archive of the distribution.
    """
    release = distribution(system)
    stanzas = []
    for entry in filter(lambda entry: _trusted(entry, release), _entries(system.apt)):
        kept = tuple(_kept(entry.suites, release.codename))
        if suite is not None and any("-" not in name for name in kept):
            kept = (suite,)
        elif suite is not None:
            kept = ()
        if kept:
            stanzas.append(entry.stanza(kept, _COMPONENTS[release.identity]))
    if not stanzas:
        raise FetchError(
            f"the apt sources in {system.apt} name no archive of {release.identity} "
            f"{release.codename}"
        )
    return "\n".join(stanzas)


def _kept(suites: tuple[str, ...], codename: str) -> Iterator[str]:
    for suite in suites:
        base, dash, pocket = suite.partition("-")
        if base in (codename, *_ALIASES) and dash + pocket in _POCKETS:
            # An alias may have moved on to the next release, whose libraries do not fit.
            yield codename + dash + pocket
        elif suite in _ROLLING:
            yield suite


def _trusted(entry: Entry, release: Distribution) -> bool:
    """Whether the entry is signed by the distribution, or by whatever the system trusts."""
    keyring = entry.options.get("signed-by", "")
    own = Path(keyring).name.startswith(f"{release.identity}-archive-")
    return own or not keyring or entry.options.get("trusted") == "yes"


def _entries(apt: Path) -> Iterator[Entry]:
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for path in filter(Path.is_file, lists):
        yield from _one_line_entries(path.read_text())
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from _deb822_entries(path.read_text())


def _one_line_entries(text: str) -> Iterator[Entry]:
    pattern = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+\S")
    for line in text.splitlines():
        match = pattern.match(line.strip())
        if match is None or match["uri"].startswith("cdrom:"):
            continue
        yield Entry(match["uri"], (match["suite"],), dict(_options(match["options"] or "")))


def _options(text: str) -> Iterator[tuple[str, str]]:
    for option in text.split():
        name, _, value = option.partition("=")
        yield _LISTED.get(name.lower(), name.lower()), value.replace(",", " ")


def _deb822_entries(text: str) -> Iterator[Entry]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = _fields(stanza)
        wanted = "deb" in fields.pop("types", "").split()
        enabled = fields.pop("enabled", "yes").lower() not in ("no", "false", "0", "off", "without")
        uris = " ".join(uri for uri in fields.pop("uris", "").split() if uri[:6] != "cdrom:")
        if wanted and enabled and uris:
            yield Entry(uris, tuple(fields.pop("suites", "").split()), fields)


def _fields(stanza: str) -> dict[str, str]:
    # A value goes on in lines that start with a space.
    found = re.findall(r"^([^\s:]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
    return {name.lower(): value.strip() for name, value in found}
