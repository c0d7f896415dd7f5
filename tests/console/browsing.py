"""A browser that tests look through, and what must be true of every page that it has seen."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    async_playwright,
    expect,
)

from programs import find

WIDTHS = (1440, 390)
Scheme = Literal["light", "dark"]
# A new profile for each run is Playwright's default.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HEIGHT = 900
# In milliseconds, on a machine that has other things to do.
_PATIENCE = 60_000
_SERIOUS = ("serious", "critical")


@dataclass
class Tab:
    """A page in the browser, and what was noticed while it was there."""

    page: Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def violations(self) -> list[str]:
        """What axe-core finds that keeps people from using the page."""
        await self.page.evaluate(_axe())
        found: dict[str, Any] = await self.page.evaluate("axe.run(document)")
        return [
            f"{one['id']}: {one['help']} ({node['html'][:200]}; {node['failureSummary'][:300]})"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
            for node in one["nodes"]
        ]

    async def overflow(self) -> int:
        """How many pixels wider the page is than the window."""
        wider: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - window.innerWidth"
        )
        return max(0, wider)


@dataclass
class Browsing:
    """The running browser."""

    browser: Browser

    @asynccontextmanager
    async def tab(
        self, width: int = WIDTHS[0], scheme: Scheme = "light", *, scripts: bool = True
    ) -> AsyncIterator[Tab]:
        """A tab with cookies of its own."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": _HEIGHT},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        context.set_default_timeout(_PATIENCE)
        tab = Tab(await context.new_page())
        _notice(tab)
        try:
            yield tab
        finally:
            await context.close()


@asynccontextmanager
async def browsing() -> AsyncIterator[Browsing]:
    """Start the browser. Raises MissingProgramError where there is none."""
    path = find("chromium")
    # Playwright's own is five seconds, also for what a page does right after a click.
    expect.set_options(timeout=_PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=list(_FLAGS), timeout=_PATIENCE
        )
        try:
            yield Browsing(browser)
        finally:
            await browser.close()


def _notice(tab: Tab) -> None:
    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            tab.errors.append(message.text)

    def asked(request: Request) -> None:
        tab.hosts.add(urlsplit(request.url).netloc)

    tab.page.on("console", said)
    tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.page.on("request", asked)


def _axe() -> str:
    """The script of axe-core, which a package on PyPI ships and the exporter does not serve."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")
