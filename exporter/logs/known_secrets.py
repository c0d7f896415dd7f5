"""The secrets that the environment and a config bring, which no line of the log may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from exporter.chat.routing_keys import read_keys
from exporter.conversation.redaction import secrets_of_settings
from exporter.settings import Settings
from model.platform import Platform


def known_secrets(settings: Settings, platform: Platform, urls: Mapping[str, str]) -> Iterator[str]:
    """Each secret; the parts of those that have parts as well."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield from _parts(value.get_secret_value())
    if settings.pagerduty_routing_key is not None:
        yield from read_keys(settings.pagerduty_routing_key.get_secret_value()).values()
    for target in platform.targets:
        yield from secrets_of_settings(target, urls[target.name])


def _parts(secret: str) -> Iterator[str]:
    yield secret
    if "://" in secret:
        if password := urlsplit(secret).password:
            yield password
            yield unquote(password)
        return
    user, _, rest = secret.partition(":")
    if user and rest:
        yield rest
