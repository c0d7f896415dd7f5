"""Remote JSON documents: values and a state inside them, such as another company's status page."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from pydantic import model_validator

from model.conditions import path_mistakes
from model.declared import Declared, refused
from model.durations import Duration, minutes
from model.targets import HttpTarget

_VALUE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class JsonValue(Declared):
    """A number inside a JSON document, exposed as `monitoring_json_value{name}`.

    `path` is as for JsonCondition. A number in a string, and true or false, are no numbers.
    """

    noun: ClassVar[str | None] = "JSON value"
    name: str
    path: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = path_mistakes(self.path)
        if not _VALUE_NAME.fullmatch(self.name):
            mistakes.append(
                "name: use lower-case letters, digits and '_', at most 63, starting with a letter"
            )
        if mistakes:
            raise refused(mistakes)
        return self


class JsonState(Declared):
    """A text inside a JSON document that says how its owner is.

    What is in none of the three lists is unknown, and so is what a document lacks: its owner may
    be well, but nobody knows, so the probe has failed.
    """

    noun: ClassVar[str | None] = "JSON state"
    path: str
    up: tuple[str, ...]
    degraded: tuple[str, ...] = ()
    down: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = path_mistakes(self.path)
        listed = [*self.up, *self.degraded, *self.down]
        if not self.up:
            mistakes.append("up: is empty, so it could never be up")
        if twice := sorted({text for text in listed if listed.count(text) > 1}):
            mistakes.append(f"up, degraded and down: {', '.join(twice)} stands there twice")
        if mistakes:
            raise refused(mistakes)
        return self


class JsonTarget(HttpTarget):
    """A JSON document that is fetched from elsewhere, and what is read in it.

    It is outside of the platform: `/health` shows it, but its verdict does not depend on it, and
    the expiry of its certificate is its owner's business. It is asked seldom.
    """

    kind: ClassVar[str] = "json"
    noun: ClassVar[str | None] = "JSON target"
    interval: Duration = minutes(1)
    values: tuple[JsonValue, ...] = ()
    state: JsonState | None = None

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if not self.values and self.state is None:
            mistakes.append("give its values, its state, or both")
        names = [value.name for value in self.values if value.has("name")]
        twice = sorted({name for name in names if names.count(name) > 1})
        mistakes.extend(f'values: "{name}" is there twice' for name in twice)
        return mistakes

    def _reads_body(self) -> bool:
        return True
