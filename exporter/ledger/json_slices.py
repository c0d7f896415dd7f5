"""Reads JSON element by element, so that a large body never holds the event loop."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

# About a millisecond of elements of a usual size.
_SLICE = 50

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class UnreadableBodyError(Exception):
    """A body that can never be read; says why."""


async def elements(body: bytes, path: Sequence[str] = ()) -> tuple[list[Any], dict[str, Any]]:
    """The elements of the array at a path, and the other values of the objects on the way to it.

    After every few elements the event loop does what else is due. Raises UnreadableBodyError if
    it is not JSON, nests too deep or has no array there.
    """
    found: list[Any] = []
    beside: dict[str, Any] = {}
    try:
        reading = _Reading(body.decode(), beside).at(tuple(path))
        for number, element in enumerate(reading, start=1):
            found.append(element)
            if not number % _SLICE:
                await asyncio.sleep(0)
    except UnicodeDecodeError:
        raise UnreadableBodyError("the body is not UTF-8 text") from None
    except RecursionError:
        raise UnreadableBodyError("the body nests too deep") from None
    except ValueError as error:
        raise UnreadableBodyError(f"the body is not what is expected: {error}") from None
    return found, beside


class _Reading:
    """Where in a text the reading is; the path leads it to the one array that is not read whole."""

    def __init__(self, text: str, beside: dict[str, Any]) -> None:
        self._text = text
        self._beside = beside
        self._place = 0
        self._found = False

    def at(self, path: tuple[str, ...]) -> Iterator[Any]:
        yield from self._inside(path)
        self._skip_space()
        if self._place != len(self._text):
            raise ValueError("more follows its end")
        if not self._found:
            raise ValueError(f"it has no array {'.'.join(path)}")

    def _inside(self, path: tuple[str, ...]) -> Iterator[Any]:
        if not path:
            self._found = True
            yield from self._array()
            return
        for key in self._keys():
            if key == path[0] and not self._found:
                yield from self._inside(path[1:])
            else:
                self._beside[key] = self._value()

    def _array(self) -> Iterator[Any]:
        self._take("[")
        if self._next_is("]"):
            return
        while True:
            yield self._value()
            if self._next_is("]"):
                return
            self._take(",")

    def _keys(self) -> Iterator[str]:
        self._take("{")
        if self._next_is("}"):
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise ValueError("the name of a field is not text")  # noqa: TRY004 - of a text
            self._take(":")
            yield key
            if self._next_is("}"):
                return
            self._take(",")

    def _value(self) -> Any:
        self._skip_space()
        value, self._place = _DECODER.raw_decode(self._text, self._place)
        return value

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._place)
        assert match is not None
        self._place = match.end()

    def _next_is(self, mark: str) -> bool:
        self._skip_space()
        if not self._text.startswith(mark, self._place):
            return False
        self._place += 1
        return True

    def _take(self, mark: str) -> None:
        if not self._next_is(mark):
            raise ValueError(f'there is no "{mark}" at character {self._place}')
