"""Generated files and the disk: compare, and write all or nothing."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rules.output import HEADER, Files

# Everything below these is ours: a file that is no longer generated is removed from them.
_OWNED = (
    "rules/generated",
    "alertmanager",
    "grafana",
    "deploy/kubernetes/generated",
    "docs/alerts",
)
_LONGEST_DIFF = 60


def differences(files: Files, root: Path) -> list[str]:
    """How the disk differs from what was generated, as unified diffs; empty if it does not."""
    found = []
    for path, text in sorted(files.items()):
        current = _current(root / path)
        if current != text:
            found.append(_diff(path, current or "", text))
    found.extend(f"{path}: is no longer generated" for path in leftovers(files, root))
    return found


def _current(file: Path) -> str | None:
    """A file's text, None if there is none. An edit may have left something other than UTF-8."""
    return file.read_bytes().decode(errors="replace") if file.exists() else None


def leftovers(files: Files, root: Path) -> list[str]:
    """Generated files on the disk that the config no longer yields."""
    present = [
        path.relative_to(root).as_posix()
        for owned in _OWNED
        for path in sorted((root / owned).rglob("*"))
        if path.is_file()
    ]
    return [path for path in present if path not in files and _is_generated(root / path)]


def _is_generated(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return HEADER in file.read(4096)


def _diff(path: str, current: str, text: str) -> str:
    lines = list(
        difflib.unified_diff(
            current.splitlines(),
            text.splitlines(),
            f"{path} (on disk)",
            f"{path} (from the config)",
            lineterm="",
            n=1,
        )
    )
    more = len(lines) - _LONGEST_DIFF
    shown = lines[:_LONGEST_DIFF] + ([f"… {more} more lines"] if more > 0 else [])
    return "\n".join(shown)


def write(files: Files, root: Path) -> list[str]:
    """Write what has changed and remove what is no longer generated; the paths of both.

    Everything is written beside its place first, so that a full disk changes nothing.
    Raises OSError.
    """
    changed = [path for path, text in sorted(files.items()) if _current(root / path) != text]
    put({root / path: files[path] for path in changed})
    removed = leftovers(files, root)
    for path in removed:
        (root / path).unlink()
    return changed + removed


def put(texts: Mapping[Path, str]) -> None:
    """Write files, all of them or none. Raises OSError."""
    staged: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            # Not a comprehension: what was staged before an error has to be known.
            staged.append((_stage(path, text), path))
    except OSError:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
        raise
    for temporary, final in staged:
        temporary.replace(final)


def _stage(final: Path, text: str) -> Path:
    final.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp keeps files to their owner; Prometheus and Grafana run as other users.
        temporary.chmod(0o644)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
