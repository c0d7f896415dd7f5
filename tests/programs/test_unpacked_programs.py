"""What was unpacked runs from where it lies: its launcher leads it to what it brought along."""

import subprocess
from pathlib import Path

from programs.relocate import LAUNCHERS, PROGRAM_DIRECTORIES, ROOT, write_launchers


def unpacked(directory: Path, *programs: str) -> Path:
    """A directory in which these scripts, which print their environment, were unpacked."""
    for program in programs:
        path = directory / ROOT / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\necho "$FONTCONFIG_FILE"\n')
        path.chmod(0o755)
    return directory


def said(launcher: Path) -> str:
    return subprocess.run([launcher], capture_output=True, text=True, check=True).stdout.strip()


def test_fonts_that_were_fetched_are_found_on_a_system_that_has_none(place: Path) -> None:
    directory = unpacked(place, "usr/bin/browser")
    fonts = directory / ROOT / "usr/share/fonts"
    fonts.mkdir(parents=True)
    write_launchers(directory / ROOT, directory / LAUNCHERS)
    configuration = Path(said(directory / LAUNCHERS / "usr/bin/browser"))
    assert configuration.parent == directory
    assert f'<dir prefix="relative">{ROOT}/usr/share/fonts</dir>' in configuration.read_text()


def test_the_systems_fonts_are_left_to_the_system_where_none_were_fetched(place: Path) -> None:
    directory = unpacked(place, "usr/bin/browser")
    write_launchers(directory / ROOT, directory / LAUNCHERS)
    assert said(directory / LAUNCHERS / "usr/bin/browser") == ""


def test_chromium_itself_comes_before_the_script_that_knows_where_it_is_installed() -> None:
    assert PROGRAM_DIRECTORIES.index("usr/lib/chromium") < PROGRAM_DIRECTORIES.index("usr/bin")
