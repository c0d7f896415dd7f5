"""The machine as this package sees it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class System:
    """The environment and the places that are looked at; tests replace parts of it."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    postgresql: Path = Path("/usr/lib/postgresql")
    apt: Path = Path("/etc/apt")
    os_release: Path = Path("/etc/os-release")

    @property
    def path(self) -> str:
        """The PATH; never None, which would make shutil.which ask the process's own."""
        return self.environment.get("PATH", "")
