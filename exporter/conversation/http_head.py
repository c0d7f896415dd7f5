"""Lines and headers of HTTP messages as they were on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """A message's first line and headers; `length` is how many bytes they take."""

    lines: tuple[str, ...]
    length: int

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """The head that a message begins with, the last one after interim answers; None if none."""
        start, found = 0, None
        while (end := data.find(_END, start)) >= 0:
            text = data[start:end].decode("utf-8", "replace")
            found = cls(tuple(text.split("\r\n")), end + len(_END))
            if not text.startswith("HTTP/") or text[9:10] != "1":
                break
            start = found.length
        return found

    def value(self, name: str) -> str | None:
        """A header's value, None if it is not there; the first one if it is there several times."""
        return next((value for key, value in self.headers() if key.lower() == name), None)

    def headers(self) -> list[tuple[str, str]]:
        """Names and values."""
        pairs = (line.partition(":") for line in self.lines[1:])
        return [(name.strip(), value.strip()) for name, _, value in pairs]
