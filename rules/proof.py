"""The outcome of a proof, and how the outside programs are called for one."""

from __future__ import annotations

import subprocess
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


def run(claim: str, command: list[str], directory: Path) -> Proof:
    """A proof that a program finds nothing wrong."""
    done = call(command, directory)
    if done.returncode == 0:
        return Proof(claim)
    lines = (done.stdout + done.stderr).replace(f"{directory}/", "").strip().splitlines()
    return Proof(claim, lines[:_LONGEST] or [f"exit code {done.returncode}"])


def call(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a directory and wait for it."""
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
