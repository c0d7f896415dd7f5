"""The base of everything a config declares: validated, frozen, and patient with mistakes.

A mistake in one declaration must not hide the next one, so while a config is being loaded a bad
declaration is noted, with the line it stands on, and evaluation goes on.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a config file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a config: where it is, what is wrong, and what to do about it."""

    what: str
    where: Place | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class ConfigError(Exception):
    """A config that cannot be used; carries every problem that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass
class _Loading:
    """What is noted while one config file is evaluated."""

    file: str
    problems: list[Problem] = field(default_factory=list)


_loading: ContextVar[_Loading | None] = ContextVar("loading", default=None)


@contextmanager
def collecting(file: str) -> Iterator[list[Problem]]:
    """Collect the problems of all declarations made inside, instead of raising at the first."""
    loading = _Loading(file)
    token = _loading.set(loading)
    try:
        yield loading.problems
    finally:
        _loading.reset(token)


def report(what: str) -> None:
    """Note a mistake made outside a declaration's settings, such as in an expression.

    Raises ConfigError unless a config is being loaded.
    """
    loading = _loading.get()
    if loading is None:
        raise ConfigError([Problem(what)])
    loading.problems.append(Problem(what, _calling_place(loading.file)))


def here() -> Place | None:
    """The line of the config that is being evaluated, None if none is being loaded."""
    loading = _loading.get()
    return _calling_place(loading.file) if loading is not None else None


def refused(mistakes: list[str]) -> PydanticCustomError:
    """The error a validator raises for several mistakes of one declaration at once."""
    return PydanticCustomError("refused", "{text}", {"text": "; ".join(mistakes), "all": mistakes})


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None if none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` where a known name is near, else an empty string."""
    near = nearest(name, known)
    return f'; did you mean "{near}"?' if near else ""


class Declared(BaseModel):
    """Something a config declares. Settings are given by keyword and cannot change afterwards.

    Raises pydantic.ValidationError on a mistake, unless a config is being loaded: then the
    mistake joins the others and is reported with them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        validate_default=True,
        # Inputs may hold what must not be printed.
        hide_input_in_errors=True,
    )
    # How a person refers to this kind of thing in a message; the class's name if not given.
    noun: ClassVar[str | None] = None
    # Settings that the exporter alone reads: nothing that is compiled depends on them.
    not_compiled: ClassVar[frozenset[str]] = frozenset()
    _place: Place | None = PrivateAttr(default=None)
    _broken: bool = PrivateAttr(default=False)
    _wrong: frozenset[str] = PrivateAttr(default=frozenset())

    def __init__(self, **settings: Any) -> None:
        loading = _loading.get()
        if loading is None:
            super().__init__(**settings)
            return
        place = _calling_place(loading.file)
        try:
            super().__init__(**settings)
        except ValidationError as error:
            found = _details(error)
            texts = [text for details in found for text in self._explain(settings, details)]
            wrong = frozenset(str(details["loc"][0]) for details in found if details["loc"])
            texts += self._hidden_by(settings, wrong)
            loading.problems.extend(Problem(text, place) for text in texts)
            self._become_broken(settings, wrong)
        self._place = place

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Inside another declaration it is taken as it is: its mistakes were reported where it
        # stands, and would otherwise be reported once more for everything around it.
        return core_schema.no_info_wrap_validator_function(
            lambda value, validate: value if isinstance(value, cls) else validate(value),
            handler(source),
        )

    @property
    def place(self) -> Place | None:
        """Where the config declares it, if it was loaded from a file."""
        return self._place

    @property
    def broken(self) -> bool:
        """Whether its own settings were refused, so that checks across declarations skip it."""
        return self._broken

    def has(self, *settings: str) -> bool:
        """Whether each of these settings is right by itself, even if the declaration is broken."""
        return self._wrong.isdisjoint(settings)

    def _become_broken(self, settings: dict[str, Any], wrong: frozenset[str]) -> None:
        known = {name: value for name, value in settings.items() if name in type(self).model_fields}
        stand_in = type(self).model_construct(**known)
        object.__setattr__(self, "__dict__", stand_in.__dict__)
        object.__setattr__(self, "__pydantic_fields_set__", stand_in.__pydantic_fields_set__)
        object.__setattr__(self, "__pydantic_extra__", stand_in.__pydantic_extra__)
        object.__setattr__(self, "__pydantic_private__", stand_in.__pydantic_private__)
        self._broken = True
        self._wrong = wrong

    @classmethod
    def _hidden_by(cls, settings: dict[str, Any], wrong: frozenset[str]) -> list[str]:
        """What a look without the settings that are wrong by themselves brings to light.

        Validators see a declaration only when each setting is right by itself. What mentions a
        setting that is left out may come from its default, so it waits for the next time.
        """
        if not wrong:
            return []
        rest = {name: value for name, value in settings.items() if name not in wrong}
        try:
            BaseModel.__init__(cls.__new__(cls), **rest)
        except ValidationError as error:
            mention = re.compile(rf"\b({'|'.join(map(re.escape, wrong))})\b")
            refusals = [details for details in _details(error) if details["type"] == "refused"]
            texts = [text for details in refusals for text in cls._explain(rest, details)]
            return [text for text in texts if not mention.search(text)]
        return []

    @classmethod
    def _explain(cls, settings: dict[str, Any], details: ErrorDetails) -> list[str]:
        name = settings.get("name")
        who = cls.noun or cls.__name__
        subject = f'{who} "{name}"' if isinstance(name, str) else who
        path = ".".join(str(part) for part in details["loc"])
        context = details.get("ctx", {})
        if details["type"] == "refused":
            return [f"{subject}: {mistake}" for mistake in context["all"]]
        if details["type"] == "extra_forbidden":
            near = suggestion(path, cls.model_fields)
            return [f'{subject}: there is no setting "{path}"{near}']
        if details["type"] == "missing":
            return [f'{subject}: the setting "{path}" is missing']
        message = details["msg"].removeprefix("Value error, ")
        if details["type"] == "model_type":
            message = f"write {context['class_name']}(…)"
        if details["type"] == "literal_error":
            offered = re.findall(r"'(.*?)'", context["expected"])
            message += suggestion(str(settings.get(path)), offered)
        return [f"{subject}: {path}: {message}" if path else f"{subject}: {message}"]


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_input=False, include_url=False)


def _calling_place(file: str) -> Place | None:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - no public call walks frames this cheaply
    while frame is not None:
        if frame.f_code.co_filename == file:
            return Place(file, frame.f_lineno)
        frame = frame.f_back
    return None
