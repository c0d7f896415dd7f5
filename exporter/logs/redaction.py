"""Takes secrets out of log entries: those that are known, and what looks like one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

from exporter.conversation.redaction import HIDDEN, Redactor, names_a_secret

# A known secret that is shorter is hidden in URLs and fields only: it would be half the words.
_LEAST: Final = 4


class Redaction:
    """A processor of structlog that every entry passes, whoever has made it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._redactor = Redactor(())
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these from now on, in the place of those known before."""
        self._redactor = Redactor(secret for secret in secrets if len(secret) >= _LEAST)

    def __call__(
        self, _logger: Any, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return self._fields(entry)

    def _fields(self, fields: Mapping[Any, Any]) -> dict[str, Any]:
        return {
            self._redactor.known(str(name)): self._field(str(name), fields[name]) for name in fields
        }

    def _field(self, name: str, value: Any) -> Any:
        return HIDDEN if value is not None and names_a_secret(name) else self._value(value)

    def _value(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return self._fields(value)
            case list() | tuple() | set() | frozenset():
                return [self._value(one) for one in value]
            case _:
                return self._text(str(value))

    def _text(self, text: str) -> str:
        return self._redactor.logged(text)
