"""PAGERDUTY_ROUTING_KEY: the key of the one PagerDuty channel, or `name=key` for each of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from model.declared import suggestion
from model.people import PagerDuty
from model.platform import Platform

# The name of a key that is given without one.
_ONLY = ""


def read_keys(text: str) -> Mapping[str, str]:
    """Keys by the name of their channel, as they are written: `a=KEY,b=KEY`, or `KEY` alone."""
    pairs = (part.strip().rpartition("=") for part in text.split(",") if part.strip())
    return {name.strip(): key.strip() for name, _, key in pairs}


def mistakes(text: str, platform: Platform) -> Iterator[str]:
    """What is wrong with the variable for a config's channels; no message repeats a key."""
    known = [channel.name for channel in _channels(platform)]
    keys = read_keys(text)
    if len(keys) != len([part for part in text.split(",") if part.strip()]):
        yield "PAGERDUTY_ROUTING_KEY: two keys are of one channel: write name=KEY for each"
    if _ONLY in keys and len(known) > 1:
        named = ",".join(f"{name}=KEY" for name in known)
        yield (
            "PAGERDUTY_ROUTING_KEY: the config has several PagerDuty channels, and whose key this "
            f"is cannot be known: write {named}"
        )
    for name, key in keys.items():
        if not key:
            yield f'PAGERDUTY_ROUTING_KEY: the key of "{name[:50]}" is empty'
        elif name not in (_ONLY, *known):
            near = suggestion(name, known)
            yield f'PAGERDUTY_ROUTING_KEY: there is no PagerDuty channel "{name[:50]}"{near}'


def keyed(keys: Mapping[str, str], platform: Platform) -> Iterator[tuple[PagerDuty, str]]:
    """The config's PagerDuty channels of which the key is known, each with its key."""
    channels = _channels(platform)
    for channel in channels:
        key = keys.get(channel.name) or (keys.get(_ONLY) if len(channels) == 1 else None)
        if key:
            yield channel, key


def _channels(platform: Platform) -> list[PagerDuty]:
    return [channel for channel in platform.channels if isinstance(channel, PagerDuty)]
