"""What others have said, as a part of a line: nothing in it that a terminal or XML would obey."""

from __future__ import annotations

_MOST = 500


def plain(text: str, most: int = _MOST) -> str:
    """A text cut to so many characters, with what cannot be printed written as Python would."""
    cut = text if len(text) <= most else f"{text[:most]} …"
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut
    )
