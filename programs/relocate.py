"""Makes unpacked packages run from where they lie, without an entry in the system's /usr."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from programs import cache

# The two halves of what was fetched: the packages as they are, and what runs them.
ROOT, LAUNCHERS = "root", "launchers"
PROGRAM_DIRECTORIES = (
    # Before usr/bin, where a script stands that knows Chromium by its installed path alone.
    "usr/lib/chromium",
    "usr/bin",
    "usr/sbin",
    "bin",
    "sbin",
    "usr/lib/postgresql/*/bin",
)
_LIBRARY_DIRECTORIES = (
    "usr/lib/*-linux-gnu*",
    # A part of PulseAudio's library, which Chromium is linked to.
    "usr/lib/*-linux-gnu*/pulseaudio",
    # The part that systemd's own programs share.
    "usr/lib/*-linux-gnu*/systemd",
    "lib/*-linux-gnu*",
    "usr/lib",
    "lib",
)

# Debian compiles this directory into Prometheus and Alertmanager, and no flag moves it:
# Alertmanager does not start without its default.tmpl. The replacement must be as long.
_SHARE = "usr/share/prometheus"
_COMPILED_IN = f"/{_SHARE}/".encode()
_DESCRIPTOR = 9
_REPLACEMENT = f"/proc/self/fd/{_DESCRIPTOR}".encode().ljust(len(_COMPILED_IN), b"/")

# An unpacked program finds its libraries by this alone, so that its path is all one has to know.
_LAUNCHER = """\
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/{up}/{root}")
LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}
export LD_LIBRARY_PATH
{fonts}{share}exec "$root/{program}" "$@"
"""

# A system without fontconfig has no file that says where fonts are, and its own fonts, if any, are
# no worse than those that were fetched.
_FONTS = "usr/share/fonts"
_FONTS_FILE = "fonts.conf"
_FONTS_CONFIGURATION = f"""\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/{_FONTS}</dir>
  <dir prefix="relative">{ROOT}/{_FONTS}</dir>
  <cachedir prefix="relative">fonts-cache</cachedir>
</fontconfig>
"""
_FONTS_LINE = f'export FONTCONFIG_FILE="${{root%/*}}/{_FONTS_FILE}"\n'


def strip_privileges(root: Path) -> None:
    """Root's cache must not offer everybody a second, never updated copy of su."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def write_launchers(root: Path, launchers: Path) -> None:
    """Writes, beside `root`, a script for every program, under the program's own path."""
    libraries = ":".join(f'"$root"/{path}' for path in _libraries(root))
    fonts = ""
    if (root / _FONTS).is_dir():
        (root.parent / _FONTS_FILE).write_text(_FONTS_CONFIGURATION)
        fonts = _FONTS_LINE
    for program in _programs(root):
        launcher = launchers / program
        cache.make(launcher.parent)
        share = f'exec {_DESCRIPTOR}<"$root/{_SHARE}"\n' if _redirect_share(root / program) else ""
        up = "/".join([".."] * len(program.parts))
        launcher.write_text(
            _LAUNCHER.format(
                up=up,
                root=root.name,
                libraries=libraries,
                fonts=fonts,
                share=share,
                program=program,
            )
        )
        launcher.chmod(0o755)


def behind(launcher: Path) -> Path:
    """The program that one of our launchers runs; the path itself where it is none of them."""
    for above in launcher.parents:
        if above.name == LAUNCHERS:
            program = above.parent / ROOT / launcher.relative_to(above)
            return program if program.is_file() else launcher
    return launcher


def _redirect_share(program: Path) -> bool:
    """Whether the program looks for files in Prometheus' directory; by a descriptor from now on."""
    content = program.read_bytes()
    if not content.startswith(b"\x7fELF"):
        return False
    if _COMPILED_IN in content:
        content = content.replace(_COMPILED_IN, _REPLACEMENT)
        program.write_bytes(content)
    return _REPLACEMENT in content


def _programs(root: Path) -> Iterator[Path]:
    for pattern in PROGRAM_DIRECTORIES:
        for path in sorted(root.glob(f"{pattern}/*")):
            if path.is_file() and os.access(path, os.X_OK):
                yield path.relative_to(root)


def _libraries(root: Path) -> Iterator[Path]:
    for pattern in _LIBRARY_DIRECTORIES:
        for path in sorted(root.glob(pattern)):
            yield path.relative_to(root)
