"""What outside programs have proved before, by content: the same is not proved again.

Lies in the private cache that only this user can write. What is missing, unreadable or not what
was written there is proved again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from programs import FetchError
from programs.cache import cache_directory, make
from programs.find import identity
from rules.proof import Proof

# Each is a file of 65 bytes; the ones used longest ago go first.
_MOST = 2000


@dataclass(frozen=True)
class Memory:
    """Which proofs have held; with no directory, none, and none is kept."""

    directory: Path | None

    @classmethod
    def of_this_user(cls) -> Memory:
        """The memory in the private cache, or none where there can be no such cache."""
        try:
            directory = cache_directory(os.environ) / "proved"
            make(directory)
        except (FetchError, OSError):
            return cls(None)  # a read-only machine proves everything every time
        return cls(directory)

    def holds(self, key: str | None) -> bool:
        """Whether a proof of this key has held before."""
        if self.directory is None or key is None:
            return False
        file = self.directory / key
        try:
            known = file.read_bytes() == _content(key)
            if known:
                file.touch()
        except OSError:
            return False  # proved again, at worst
        return known

    def keep(self, keys: Iterable[str | None]) -> None:
        """Keep in mind that the proofs of these keys have held."""
        if self.directory is None:
            return
        # A full disk costs time at the next run, and says nothing about the rules.
        with suppress(OSError):
            for key in filter(None, keys):
                with NamedTemporaryFile(dir=self.directory, prefix=".", delete=False) as file:
                    file.write(_content(key))
                Path(file.name).replace(self.directory / key)
            self._forget(self.directory)

    def proof(self, claim: str, key: str | None, prove: Callable[[], list[str]]) -> Proof:
        """A proof that has held before, or the one that is made now; `prove` says what objects."""
        if self.holds(key):
            return Proof(f"{claim}, proved before")
        objections = prove()
        if not objections:
            self.keep([key])
        return Proof(claim, objections)

    @staticmethod
    def _forget(directory: Path) -> None:
        found = sorted(directory.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for file in found[: max(0, len(found) - _MOST)]:
            file.unlink(missing_ok=True)


def proof_key(program: Path, *texts: str) -> str | None:
    """Names a proof by the program, what it is asked and all that it reads.

    None where it cannot be told whether the program is still the same.
    """
    told = identity(program)
    if told is None:
        return None
    digest = hashlib.sha256()
    for text in (told, *texts):
        content = text.encode()
        digest.update(b"%d:" % len(content) + content)
    return digest.hexdigest()


def _content(key: str) -> bytes:
    return f"{key}\n".encode()
