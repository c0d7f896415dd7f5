"""`make pictures`: the console's pages and what the demo prints, as they are, for the documents.

A demo has no yesterday: the day of each target is made up before the pages are drawn, which the
documents say beside the pictures.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click
import jwt

from demo.printed import page_of, printed
from demo.stack import ROOT, Stack, StackError, running
from programs import MissingProgramError, ServerError, find

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

DIRECTORY: Final = ROOT / "docs/pictures"
# Before it stand addresses that the next demo has no more.
_STORY: Final = "\x1b[1mWatching"
_BROKEN: Final = "payment-service"
_NOTE: Final = "Connections are refused since the last deployment: rolling back."
_PATIENCE: Final = 90.0
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_WIDE: Final = (1440, 900)
_NARROW: Final = (390, 844)

_DAY: Final = """
INSERT INTO metrics (timestamp, target, replica, kind, seconds, probes, successes, degraded,
                     duration_sum, buckets)
SELECT moment, target, 'yesterday', 'http', 300, 60,
       CASE WHEN target = 'search-service' AND hours BETWEEN 9.2 AND 9.9 THEN 12
            WHEN target = 'payment-service' AND hours BETWEEN 16.0 AND 16.3 THEN 0
            WHEN target = 'analytics-service' AND hours BETWEEN 3.0 AND 3.2 THEN 57
            ELSE 60 END,
       CASE WHEN target = 'order-service' AND hours BETWEEN 19 AND 21 THEN 60 ELSE 0 END,
       0.6, '{}'
FROM (SELECT moment, EXTRACT(EPOCH FROM now() - moment) / 3600 AS hours
      FROM generate_series(now() - interval '24 hours', now() - interval '5 minutes',
                           interval '5 minutes') AS moment) AS times,
     unnest(string_to_array(:'targets', ',')) AS target
"""


@click.command()
@click.option("--output", type=click.Path(path_type=Path), default=DIRECTORY, show_default=True)
def main(output: Path) -> None:
    """Run the demo, break a service and take the pictures."""
    try:
        asyncio.run(_pictures(output))
    except (MissingProgramError, ServerError, StackError, TimeoutError) as error:
        click.echo(f"pictures: {error}", err=True)
        sys.exit(1)


async def _pictures(output: Path) -> None:
    from playwright.async_api import async_playwright

    chromium = find("chromium")
    output.mkdir(parents=True, exist_ok=True)
    # Before Chromium takes the processor from it.
    text = await asyncio.to_thread(printed, ("-m", "demo"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        try:
            await _take_printed(browser, text[text.index(_STORY) :], output / "demo.png")
            async with running(ledger="postgresql") as stack:
                targets = ",".join(target.name for target in stack.platform.targets)
                await asyncio.to_thread(_make_up_a_day, stack, targets)
                await _take_all(stack, browser, output)
        finally:
            await browser.close()


async def _take_printed(browser: Browser, text: str, path: Path) -> None:
    page = await browser.new_page()
    await page.set_content(page_of("make demo", f"…\n\n{text.rstrip()}"))
    await _take(page.locator("body"), path)


def _make_up_a_day(stack: Stack, targets: str) -> None:
    statement = _DAY.replace(":'targets'", "'" + targets.replace("'", "''") + "'")
    stack.postgres.execute(statement)


async def _take_all(stack: Stack, browser: Browser, output: Path) -> None:
    """Those of a service that is down: before somebody has it, and after."""
    page = await _tab(stack, browser, _WIDE, "light")
    await stack.simulated.services[_BROKEN].crash()
    row = page.locator(".alert", has_text="ServiceDown")
    await row.wait_for(timeout=_PATIENCE * 1000)
    await _take(page, output / "console-now.png")
    await row.get_by_role("button", name="Acknowledge").click()
    await row.locator("summary").click()
    await row.get_by_label("Note").fill(_NOTE)
    await row.get_by_role("button", name="Keep note").click()
    await page.get_by_text("note is kept").wait_for()
    address = await row.get_by_role("link", name="ServiceDown").get_attribute("href")
    assert address is not None  # a link has one
    for name, path in (("alert", address), ("history", "/history"), ("on-call", "/on-call")):
        await page.goto(stack.exporter_url + path)
        await _take(page, output / f"console-{name}.png")
    narrow = await _tab(stack, browser, _NARROW, "dark")
    await narrow.goto(stack.exporter_url + address)
    await _take(narrow, output / "console-alert-phone.png")


async def _tab(
    stack: Stack, browser: Browser, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> Page:
    """A page of somebody who is logged in."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = await context.new_page()
    await page.goto(stack.exporter_url)
    await page.get_by_label("Token").fill(_token(stack))
    await page.get_by_role("button", name="Log in").click()
    await page.locator("h1.verdict").wait_for()
    return page


def _token(stack: Stack) -> str:
    secret = (stack.directory / "jwt_secret").read_text(encoding="utf-8").strip()
    now = datetime.now(UTC)
    claims = {
        "sub": "ann@tickettoken.com",
        "role": "responder",
        "iss": "tickettoken",
        "aud": "tickettoken-platform",
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    return jwt.encode(claims, secret, "HS256")


async def _take(shown: Page | Locator, path: Path) -> None:
    started = time.monotonic()
    await shown.screenshot(path=path)
    size = path.stat().st_size // 1024
    click.echo(f"  {path.name}  {size} kB, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
