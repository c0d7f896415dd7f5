"""Builds the image without a container engine: python tests/deploy/container_image.py DIRECTORY.

Debian's debootstrap makes the base that `FROM` names, and Debian's buildah follows the Dockerfile
in chroots. Needs root, Debian's archive and PyPI, and some minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import PROGRAMS, System, Unpacked, fetch
from programs.sources import own_archive

ROOT = Path(__file__).resolve().parents[2]
BASE, SUITE = "docker.io/library/debian:13-slim", "trixie"
IMAGE = "localhost/monitoring-service:latest"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Image:
    """An image whose root file system lies unpacked in a directory."""

    root: Path
    config: dict[str, Any]


class Builder:
    """Buildah with all it keeps in a directory of ours."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._buildah = fetch(PROGRAMS["buildah"].selection)
        self._policy = self.directory / "policy.json"
        self._policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._cache = self._loader_cache(self._buildah)

    def build(self) -> Image:
        """The image of deploy/Dockerfile."""
        if not self._said("images", "--quiet", BASE, check=False):
            self._make_base()
        # What earlier runs have mounted: a copy of the whole image each.
        self._run("rm", "--all")
        pip = self.directory / "pip.conf"
        pip.write_text("[global]\ncert = /run/ca.crt\n")
        self._run(
            *("bud", "--format=docker", "--isolation=chroot", "--pull-never"),
            f"--signature-policy={self._policy}",
            # This machine may reach PyPI by an authority of its own.
            f"--volume={_CERTIFICATES}:/run/ca.crt:ro",
            f"--volume={pip}:/etc/pip.conf:ro",
            *("--file=deploy/Dockerfile", f"--tag={IMAGE}", "."),
        )
        container = self._said("from", f"--signature-policy={self._policy}", "--pull-never", IMAGE)
        root = Path(self._said("mount", container))
        inspected = json.loads(self._said("inspect", "--type=image", IMAGE))
        return Image(root, inspected["Docker"]["config"])

    def _make_base(self) -> None:
        root = self.directory / "base"
        debootstrap = fetch(PROGRAMS["debootstrap"].selection)
        scripts = debootstrap.root / "usr/share/debootstrap"
        subprocess.run(
            [debootstrap.program("debootstrap"), "--variant=minbase", SUITE, root, _archive()],
            env={**os.environ, "DEBOOTSTRAP_DIR": str(scripts)},
            check=True,
        )
        container = self._said("from", "scratch")
        self._run("add", "--quiet", container, str(root), "/")
        self._run("commit", f"--signature-policy={self._policy}", container, BASE)
        self._run("rm", container)
        shutil.rmtree(root)

    def _loader_cache(self, unpacked: Unpacked) -> Path:
        """Where the loader finds buildah's libraries: it starts itself anew without a variable."""
        directories = [
            str(path)
            for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
            for path in unpacked.root.glob(pattern)
        ]
        listed, cache = self.directory / "ld.so.conf", self.directory / "ld.so.cache"
        listed.write_text("\n".join(["include /etc/ld.so.conf.d/*.conf", *directories, ""]))
        subprocess.run(["/sbin/ldconfig", "-X", "-C", cache, "-f", listed], check=True)
        return cache

    def _command(self, *arguments: str) -> list[str]:
        """In a mount namespace of its own, so that the machine's loader stays as it is."""
        script = 'mount --bind "$0" /etc/ld.so.cache && exec "$@"'
        where = [f"--root={self.directory}/storage", f"--runroot={self.directory}/run"]
        program = str(self._buildah.root / "usr/bin/buildah")
        return [
            *("unshare", "--mount", "sh", "-c", script, str(self._cache)),
            *(program, *where, "--storage-driver=vfs", *arguments),
        ]

    def _run(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), check=True, cwd=ROOT)

    def _said(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            self._command(*arguments), check=check, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()


def run_command(
    image: Image, command: Sequence[str], variables: dict[str, str], volumes: Path
) -> list[str]:
    """The command line that runs a program as the container would: its user, a read-only root.

    `volumes` is a directory that lives beside it; its `logs` and `data` are mounted.
    """
    user = image.config["User"]
    steps = ['mount --bind "$ROOT" "$ROOT"']
    for name in ("logs", "data"):
        steps += [
            f'mkdir -p "$VOLUMES/{name}"',
            f'chown {user} "$VOLUMES/{name}"',
            f'mount --bind "$VOLUMES/{name}" "$ROOT/app/{name}"',
        ]
    steps += [
        'mount -t tmpfs tmpfs "$ROOT/tmp"',
        'mount -t proc proc "$ROOT/proc"',
        'mount --bind /dev "$ROOT/dev"',
        'mount -o remount,ro,bind "$ROOT"',
        f'exec chroot --userspec={user} "$ROOT" "$@"',
    ]
    script = f"set -e; ROOT={image.root} VOLUMES={volumes}; {'; '.join(steps)}"
    environment = [*image.config["Env"], *(f"{name}={value}" for name, value in variables.items())]
    inside = ["/usr/bin/env", "-i", "--chdir=/app", *environment, *command]
    return ["unshare", "--mount", "sh", "-c", script, "sh", *inside]


def _archive() -> str:
    """The address of Debian's archive that this machine uses."""
    for line in own_archive(System(), SUITE).splitlines():
        name, _, value = line.partition(": ")
        if name == "uris":
            return value.split()[0]
    raise RuntimeError("the apt sources name no archive")


if __name__ == "__main__":
    made = Builder(Path(sys.argv[1])).build()
    print(made.root)
