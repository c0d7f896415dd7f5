"""How much memory this process may have, as its cgroup says: what a container is killed for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
# cgroup v1 says "none" by the greatest number of pages, which is less than this by one page.
_NONE_IN_V1 = 1 << 63
_NEAR = 1 << 20


def memory_limit(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int | None:
    """The least limit in bytes of the process' cgroup and of those above it; None without any.

    Source: the kernel's cgroup-v2.rst (`memory.max`) and cgroup-v1/memory.rst
    (`memory.limit_in_bytes`). A container whose /proc/self/cgroup names a path of the host sees
    its own cgroup at the root.
    """
    found = [limit for file in _files(root, own) if (limit := _limit(file)) is not None]
    return min(found, default=None)


def _files(root: Path, own: Path) -> Iterator[Path]:
    for line in (_text(own) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _upwards(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _upwards(root / "memory", path, "memory.limit_in_bytes")


def _upwards(root: Path, path: str, name: str) -> Iterator[Path]:
    """The file of a cgroup and of all that it is in; `..` leads out of the own namespace."""
    inside = Path(os.path.normpath("/" + path.lstrip("/"))).relative_to("/")
    for group in (inside, *inside.parents):
        yield root / group / name


def _limit(file: Path) -> int | None:
    text = _text(file)
    if text is None or text == "max":
        return None
    limit = int(text)
    return None if limit > _NONE_IN_V1 - _NEAR else limit


def _text(file: Path) -> str | None:
    """What a file says; None, so that no limit is known, where there is none that we may read."""
    try:
        return file.read_text().strip()
    except OSError:
        return None
