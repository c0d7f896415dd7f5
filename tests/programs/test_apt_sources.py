"""Which of the system's apt sources are used to fetch."""

from pathlib import Path

import pytest

from programs import FetchError, System
from programs.sources import own_archive

DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n"
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"


def machine(place: Path, release: str, **files: str) -> System:
    apt = place / "apt"
    (apt / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (apt / "sources.list.d" / name.replace("_", ".")).write_text(text)
    (place / "os-release").write_text(release)
    return System(apt=apt, os_release=place / "os-release")


def stanzas(system: System, suite: str | None = None) -> list[dict[str, str]]:
    return [
        dict(line.split(": ", 1) for line in stanza.splitlines())
        for stanza in own_archive(system, suite).split("\n\n")
    ]


def test_entries_of_third_parties_are_left_out(tmp_path: Path) -> None:
    system = machine(
        tmp_path,
        DEBIAN,
        a_list=(
            "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.test/ bookworm main\n"
            "deb http://vendor.test/ bookworm-pgdg main\n"
            "deb http://vendor.test/ nodistro main\n"
        ),
        b_sources=(
            "Types: deb\nURIs: http://vendor.test/\nSuites: stable\nComponents: main\n"
            "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n"
        ),
    )
    with pytest.raises(FetchError, match="name no archive of debian bookworm"):
        own_archive(system, None)


def test_disabled_entries_sources_and_discs_are_left_out(tmp_path: Path) -> None:
    system = machine(
        tmp_path,
        DEBIAN,
        a_list=(
            "# deb http://mirror.test/debian bookworm main\n"
            "deb-src http://mirror.test/debian bookworm main\n"
            "deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n"
        ),
        b_sources=(
            "Enabled: no\nTypes: deb\nURIs: http://mirror.test/\nSuites: bookworm\n"
            "Components: main\n\n"
            "Types: deb-src\nURIs: http://mirror.test/\nSuites: bookworm\nComponents: main\n"
        ),
    )
    with pytest.raises(FetchError):
        own_archive(system, None)


def test_a_mirror_keeps_its_options(tmp_path: Path) -> None:
    line = "deb [arch=amd64,arm64 check-valid-until=no] http://mirror.test/debian bookworm main"
    assert stanzas(machine(tmp_path, DEBIAN, a_list=line)) == [
        {
            "architectures": "amd64 arm64",
            "check-valid-until": "no",
            "types": "deb",
            "uris": "http://mirror.test/debian",
            "suites": "bookworm",
            "components": "main",
            "targets": "Packages",
        }
    ]


def test_updates_and_security_are_used_and_backports_are_not(tmp_path: Path) -> None:
    text = (
        "# A comment\nTypes: deb deb-src\nURIs: http://mirror.test/ubuntu\n"
        "Suites: noble noble-updates noble-security noble-backports\n"
        "Components: main restricted\n"
        "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"
    )
    [stanza] = stanzas(machine(tmp_path, UBUNTU, a_sources=text))
    assert stanza["suites"] == "noble noble-updates noble-security"
    assert stanza["components"] == "main universe"
    assert stanza["signed-by"] == "/usr/share/keyrings/ubuntu-archive-keyring.gpg"


def test_an_alias_means_this_systems_release(tmp_path: Path) -> None:
    text = "deb http://mirror.test/ stable main\ndeb http://mirror.test/s stable-security main\n"
    found = stanzas(machine(tmp_path, DEBIAN, a_list=text))
    assert [stanza["suites"] for stanza in found] == ["bookworm", "bookworm-security"]


def test_another_suite_comes_from_the_archive_of_the_release(tmp_path: Path) -> None:
    text = (
        "deb http://mirror.test/debian bookworm main\n"
        "deb http://mirror.test/security bookworm-security main\n"
    )
    [stanza] = stanzas(machine(tmp_path, DEBIAN, a_list=text), "sid")
    assert (stanza["uris"], stanza["suites"]) == ("http://mirror.test/debian", "sid")
