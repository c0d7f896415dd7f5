"""What people write: as both stores can keep it, and no longer than anybody reads."""

from __future__ import annotations

NOTE_CHARACTERS = 10_000
NAME_CHARACTERS = 200


class NoteError(ValueError):
    """A note that is not kept; says why."""


def storable(text: str) -> str:
    """Text without what Postgres or UTF-8 cannot hold: NUL is left out, half a character is `?`."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def checked(text: str) -> str:
    """A note as it is kept. Raises NoteError for one that is empty or too long."""
    kept = storable(text).strip()
    if not kept:
        raise NoteError("the note is empty")
    if len(kept) > NOTE_CHARACTERS:
        raise NoteError(f"the note has {len(kept)} characters; {NOTE_CHARACTERS} are the most")
    return kept


def optional(text: str | None) -> str | None:
    """A note that may be missing or blank: then None. Raises NoteError for one that is too long."""
    return None if text is None or not storable(text).strip() else checked(text)
