"""Text that others wrote, on a terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    """A text that cannot steer a terminal: what is not printed is shown as an escape."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
