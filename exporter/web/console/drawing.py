"""Draws pages from templates, in slices, so that a long one does not hold the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from exporter.web.console import words
from exporter.web.console.assets import address

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).resolve().parents[3] / "templates" / "console"
# How long one slice may take, in seconds.
_SLICE: Final = 0.002


class Drawing:
    """The templates, read when somebody first looks: a pure prober needs none of it."""

    def __init__(self) -> None:
        self._reading = asyncio.Lock()
        self._environment: Environment | None = None

    async def draw(self, template: str, context: Mapping[str, Any]) -> str:
        """A page, or a part of one."""
        environment = await self._read()
        pieces: list[str] = []
        begun = time.perf_counter()
        for piece in environment.get_template(template).generate(context):
            pieces.append(piece)
            if time.perf_counter() - begun > _SLICE:
                await asyncio.sleep(0)
                begun = time.perf_counter()
        return "".join(pieces)

    async def _read(self) -> Environment:
        async with self._reading:
            if self._environment is None:
                self._environment = await asyncio.to_thread(_environment)
            return self._environment


DRAWING: Final = web.AppKey("drawing", Drawing)


def _environment() -> Environment:
    """The templates, compiled. All that they are given is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = address
    for filter_ in (words.lasting, words.clock, words.milliseconds, words.share):
        environment.filters[filter_.__name__] = filter_
    for name in environment.list_templates():
        environment.get_template(name)
    return environment
