"""What the oldest supported versions of Prometheus and Alertmanager allow.

Sources: the change logs of both, and their programs' own verdict (notes of the compiler).
"""

from __future__ import annotations

import re

Version = tuple[int, int]

# What is generated at the least needs: keep_firing_for, and time intervals with a location.
LEAST_PROMETHEUS: Version = (2, 42)
LEAST_ALERTMANAGER: Version = (0, 25)
# Settings of the config that need a newer Alertmanager than that.
WEBHOOK_URL_FILE: Version = (0, 26)


def version(text: str) -> Version:
    """A version's first two numbers. Raises ValueError."""
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", text) is None:
        raise ValueError(f'"{text}" is no version; write one like "2.42"')
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def shown(number: Version) -> str:
    """A version as people write it."""
    return f"{number[0]}.{number[1]}"


def version_mistakes(prometheus: str, alertmanager: str) -> list[str]:
    """What is wrong with the oldest versions to support, empty if nothing is."""
    mistakes = []
    for setting, text, least, needed in (
        ("oldest_prometheus", prometheus, LEAST_PROMETHEUS, "keep_firing_for"),
        ("oldest_alertmanager", alertmanager, LEAST_ALERTMANAGER, "a time interval's location"),
    ):
        try:
            if version(text) < least:
                mistakes.append(
                    f"{setting}: {text} is under {shown(least)}, which brought {needed}"
                )
        except ValueError as error:
            mistakes.append(f"{setting}: {error}")
    return mistakes
