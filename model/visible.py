"""Text that others wrote, on a terminal or in a picture: nothing in it that either would obey."""

from __future__ import annotations

# What people read as a part of a line.
_MOST = 500


def visible(text: str) -> str:
    """A text that cannot steer a terminal: what is not printed is shown as an escape."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def printable(text: str) -> str:
    """The same, of a text cut to 500 characters."""
    return visible(text if len(text) <= _MOST else f"{text[:_MOST]}…")
