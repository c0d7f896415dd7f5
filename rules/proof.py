"""The outcome of a proof, and how the outside programs are called for one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof's outcome: what was proved, and what speaks against it."""

    claim: str
    objections: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections


def objections(done: subprocess.CompletedProcess[str], directory: Path) -> list[str]:
    """What a program has found wrong; paths below the directory are shortened."""
    if done.returncode == 0:
        return []
    lines = (done.stdout + done.stderr).replace(f"{directory}/", "").strip().splitlines()
    return lines[:_LONGEST] or [f"exit code {done.returncode}"]


def call(
    command: list[str], directory: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a directory, with another environment if one is given, and wait for it."""
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
