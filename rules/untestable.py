"""What no unit test can be written for, and therefore is not generated either."""

from __future__ import annotations


class UntestableError(Exception):
    """An alert that no test can be written for; the text says why and what to write instead."""


class TooLongError(UntestableError):
    """It could be tested, but for longer than anybody waits for promtool."""
