"""The console as a person sees it in Chromium: an alert from the page's first sight to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from api_serving import INGEST, alert
from browsing import WIDTHS, Browsing, Scheme, Tab
from console_serving import Console, console, text_of
from playwright.async_api import expect
from served_ledger import WEBHOOK, body, labels
from served_ledger import alert as delivered
from standins import failure, success, until
from stores import sqlite

from exporter.ledger.store import StoreOptions

# In milliseconds: what only a page that never changes exceeds.
SOON = 60_000
SERVICE = "payment-service"
PAGES = ("/", "/alerts", "/history", "/on-call", "/workers")


async def deliver(served: Console, start: datetime, end: datetime | None = None) -> None:
    """What Alertmanager sends of a dead service."""
    entry = delivered(start, end, labels(service=SERVICE))
    entry["annotations"] = {"summary": f"{SERVICE} is down", "value": "0", "threshold": "< 0.5"}
    headers = {"Authorization": f"Bearer {INGEST}"}
    answer = await served.client.post(WEBHOOK, json=body(entry), headers=headers)
    assert answer.status == 200, await answer.text()


async def log_in(tab: Tab, served: Console, path: str = "/") -> None:
    await tab.page.goto(f"{served.url}{path}")
    await tab.page.get_by_label("Token").fill(served.token(sub="ann@example.com"))
    await tab.page.get_by_role("button", name="Log in").click()
    await tab.page.get_by_text("ann@example.com").wait_for()


def seen(tab: Tab, served: Console) -> None:
    """Nothing went wrong in the browser, and nothing was asked of anybody else."""
    assert tab.errors == []
    assert {f"http://{host}" for host in tab.hosts} == {served.url}


# --- a night ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_dead_service_is_seen_acknowledged_noted_and_seen_to_end(
    tmp_path: Path, options: StoreOptions, browser: Browsing, width: int
) -> None:
    async with console(tmp_path, options) as served, browser.tab(width) as tab:
        page = tab.page
        await log_in(tab, served)
        await expect(page.locator("h1")).to_contain_text("Everything works")
        await page.evaluate("window.notReloaded = true")

        served.fleet.answers[SERVICE] = failure
        broken = page.locator(f"#broken-{SERVICE}")
        await expect(broken).to_contain_text("down", timeout=SOON)
        await expect(broken).to_contain_text("connect refused")
        began = datetime.now(UTC)
        await deliver(served, began)
        await expect(broken).to_contain_text("nobody has it", timeout=SOON)
        assert "1 down" in await page.title()

        row = page.locator(".alert", has_text="ServiceDown")
        await row.get_by_role("button", name="Acknowledge").click()
        await expect(page.locator("#said")).to_contain_text("you have it")
        await expect(row).to_contain_text("ann@example.com has it", timeout=SOON)
        await expect(broken).to_contain_text("ann@example.com has it")

        await row.locator("summary").click()
        await row.get_by_label("Note").fill("The pool is full.\n<b>restarting</b>")
        await row.get_by_role("button", name="Keep note").click()
        await expect(page.locator("#said")).to_contain_text("note is kept")
        assert await page.evaluate("window.notReloaded")
        seen(tab, served)

        await row.get_by_role("link", name="ServiceDown").click()
        story = page.locator("#part-story")
        await expect(story).to_contain_text("ann@example.com acknowledged it by console")
        await expect(story.locator("blockquote")).to_have_text(
            "The pool is full.\n<b>restarting</b>"
        )
        await expect(story).to_contain_text("began to fire")
        await expect(page.locator("#part-facts")).to_contain_text("0 fires when < 0.5")
        await expect(page.locator(".runbook")).to_contain_text("systemctl restart it")
        await page.evaluate("window.notReloaded = true")

        served.fleet.answers[SERVICE] = success
        await deliver(served, began, datetime.now(UTC))
        await expect(page.locator("#part-facts")).to_contain_text("ended by itself", timeout=SOON)
        await expect(story).to_contain_text("ended by itself")
        assert await page.evaluate("window.notReloaded")

        await page.get_by_role("link", name="Now").click()
        await expect(page.locator("h1")).to_contain_text("Everything works", timeout=SOON)
        await expect(page.locator("h1")).to_contain_text("no open alerts")
        seen(tab, served)


# --- what somebody is at is left alone ----------------------------------------------------------


async def open_note(tab: Tab, served: Console) -> datetime:
    """An open alert, and a note about it that is half written; answers when it began."""
    began = datetime.now(UTC)
    await deliver(served, began)
    await log_in(tab, served)
    await tab.page.locator(".alert summary").click()
    await tab.page.get_by_label("Note").fill("half a not")
    return began


async def refreshed(tab: Tab) -> None:
    """Wait until the page was refreshed twice."""
    drawn = tab.page.locator("footer time")
    for _ in range(2):
        before = await drawn.inner_text()
        await expect(drawn).not_to_have_text(before, timeout=SOON)


async def test_a_half_written_note_and_the_focus_survive_a_refresh(
    tmp_path: Path, browser: Browsing
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await open_note(tab, served)
        # Another alert comes in above: what is written in moves, or is moved around.
        worse = datetime.now(UTC) - timedelta(hours=1)
        await served.add(alert(7, worse, service="auth-service"))
        await expect(tab.page.locator(".alert")).to_have_count(2, timeout=SOON)
        await refreshed(tab)
        field = tab.page.get_by_label("Note").and_(tab.page.locator("textarea:visible"))
        await expect(field).to_have_value("half a not")
        await expect(field).to_be_focused()
        await tab.page.keyboard.type("e")
        await expect(field).to_have_value("half a note")
        seen(tab, served)


async def test_a_half_written_note_about_what_has_ended_can_still_be_kept(
    tmp_path: Path, browser: Browsing
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        began = await open_note(tab, served)
        await deliver(served, began, datetime.now(UTC))
        await expect(tab.page.locator(".alert")).to_contain_text("No longer", timeout=SOON)
        await tab.page.get_by_role("button", name="Keep note").click()
        await expect(tab.page.locator("#said")).to_contain_text("note is kept")
        await expect(tab.page.locator(".alert")).to_have_count(0, timeout=SOON)
        seen(tab, served)


async def test_a_page_says_when_it_is_not_live_and_when_it_is_again(
    tmp_path: Path, browser: Browsing
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await log_in(tab, served)
        await tab.page.context.set_offline(True)
        await expect(tab.page.locator("#stale")).to_contain_text("Not live", timeout=SOON)
        await tab.page.context.set_offline(False)
        await expect(tab.page.locator("#stale")).to_be_hidden(timeout=SOON)


async def test_whoever_is_logged_out_meanwhile_is_told(tmp_path: Path, browser: Browsing) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await log_in(tab, served, "/alerts")
        await tab.page.context.clear_cookies()
        await expect(tab.page.locator("#stale")).to_contain_text("logged out", timeout=SOON)
        await tab.page.get_by_role("link", name="Log in again").click()
        await tab.page.get_by_label("Token").wait_for()
        assert "next=%2Falerts" in tab.page.url


# --- by the keyboard, and without scripts -------------------------------------------------------


async def test_an_alert_is_acknowledged_by_the_keyboard_alone(
    tmp_path: Path, browser: Browsing
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await deliver(served, datetime.now(UTC))
        await tab.page.goto(served.url)
        # It gets the focus when the page is drawn, which may be after it was loaded.
        await expect(tab.page.get_by_label("Token")).to_be_focused()
        await tab.page.keyboard.type(served.token())
        await tab.page.keyboard.press("Enter")
        await tab.page.locator(".alert").wait_for()
        for _ in range(30):
            await tab.page.keyboard.press("Tab")
            at = await tab.page.evaluate("document.activeElement.textContent")
            if at.startswith("Acknowledge"):
                break
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator(".alert")).to_contain_text(
            "me@example.com has it", timeout=SOON
        )
        # The page may have been refreshed while the answer to the button was under way.
        await tab.page.wait_for_function("document.activeElement.closest('.alert') !== null")


async def test_without_scripts_everything_can_be_seen_and_done(
    tmp_path: Path, browser: Browsing
) -> None:
    async with (
        console(tmp_path, sqlite(tmp_path)) as served,
        browser.tab(scripts=False) as tab,
    ):
        await deliver(served, datetime.now(UTC))
        await log_in(tab, served)
        await tab.page.get_by_role("button", name="Acknowledge").click()
        await expect(tab.page.locator("#said")).to_have_text("Acknowledged: you have it.")
        await tab.page.locator(".alert summary").click()
        await tab.page.get_by_label("Note").fill("seen")
        await tab.page.get_by_role("button", name="Keep note").click()
        await expect(tab.page.locator("#said")).to_have_text("Your note is kept.")
        await tab.page.locator(".alert summary").click()
        await tab.page.get_by_role("button", name="Mark as a false positive").click()
        await expect(tab.page.locator(".alert")).to_contain_text("false positive")
        assert tab.page.url.startswith(f"{served.url}/?said=")
        await tab.page.get_by_role("button", name="Log out").click()
        await tab.page.get_by_label("Token").wait_for()


# --- for everybody ------------------------------------------------------------------------------


async def full(served: Console) -> str:
    """Something on every page; answers the path of an alert."""
    now = datetime.now(UTC)
    served.fleet.answers[SERVICE] = failure
    ended = alert(3, now - timedelta(days=1), ends_at=now - timedelta(hours=23))
    first = alert(1, now - timedelta(minutes=9), service=SERVICE)
    known = {"acknowledged_at": now, "acknowledged_by": "joe", "severity": "warning"}
    await served.add(first, alert(2, now - timedelta(minutes=3), **known), ended)
    shots = served.service.runner.snapshots
    await until(lambda: any(one.result and one.result.reason for one in shots()), 60)
    return f"/alerts/{first['id']}"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_can_be_used_by_everybody_and_fits(
    tmp_path: Path, browser: Browsing, width: int, scheme: Scheme
) -> None:
    async with (
        console(tmp_path, sqlite(tmp_path)) as served,
        browser.tab(width, scheme) as tab,
    ):
        one = await full(served)
        await tab.page.goto(f"{served.url}/login")
        assert await tab.violations() == []
        await log_in(tab, served)
        for path in (*PAGES, one, "/alerts/none"):
            tab.errors.clear()
            await tab.page.goto(f"{served.url}{path}")
            assert await tab.violations() == [], path
            assert await tab.overflow() == 0, path
            if path != "/alerts/none":
                assert tab.errors == [], path
        assert {f"http://{host}" for host in tab.hosts} == {served.url}


# --- what others wrote ---------------------------------------------------------------------------

SCRIPT = "<script>window.stolen = 1</script><img src=x onerror='window.stolen=1'>\"'&{{7*7}}"


async def test_script_in_every_name_label_and_note_shows_as_text(
    tmp_path: Path, browser: Browsing
) -> None:
    hostile = dict.fromkeys(("name", "service", "severity"), SCRIPT)
    texts = {SCRIPT: SCRIPT, "summary": SCRIPT, "description": SCRIPT, "value": SCRIPT}
    row = alert(
        1,
        datetime.now(UTC),
        **hostile,
        labels={SCRIPT: SCRIPT},
        annotations={**texts, "threshold": SCRIPT},
        generator_url="javascript:window.stolen=1",
        acknowledged_at=datetime.now(UTC),
        acknowledged_by=SCRIPT,
        acknowledged_for=SCRIPT,
    )
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await served.add(row)
        await log_in(tab, served)
        await tab.page.goto(f"{served.url}/alerts/{row['id']}")
        await tab.page.get_by_label("Note").fill(SCRIPT)
        await tab.page.get_by_role("button", name="Keep note").click()
        await expect(tab.page.locator("blockquote")).to_have_text(SCRIPT)
        for path in (*PAGES, f"/alerts/{row['id']}"):
            await tab.page.goto(f"{served.url}{path}")
            if path == "/":
                await refreshed(tab)
            assert await tab.page.evaluate("window.stolen") is None, path
            assert await tab.page.locator("img, main script").count() == 0, path
            if path != "/workers":
                assert SCRIPT in await tab.page.locator("main").inner_text(), path
            assert await tab.page.locator("a[href^='javascript:']").count() == 0
        seen(tab, served)


@pytest.mark.parametrize(
    "path",
    ["/?q={}", "/alerts?q={}&name={}&service={}", "/history?name={}&service={}", "/?said={}"],
)
async def test_script_in_an_address_shows_as_text(
    tmp_path: Path, browser: Browsing, path: str
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served, browser.tab() as tab:
        await log_in(tab, served)
        given = quote('"><script>window.stolen = 1</script>', safe="")
        await tab.page.goto(served.url + path.replace("{}", given))
        assert await tab.page.evaluate("window.stolen") is None
        assert await tab.page.locator("main script").count() == 0
        seen(tab, served)


async def test_a_token_that_is_refused_is_not_repeated(tmp_path: Path, browser: Browsing) -> None:
    async with (
        console(tmp_path, sqlite(tmp_path), text_of("auth-service")) as served,
        browser.tab() as tab,
    ):
        await tab.page.goto(served.url)
        await tab.page.get_by_label("Token").fill("<script>secret</script>")
        await tab.page.get_by_role("button", name="Log in").click()
        await tab.page.get_by_text("This token is not taken").wait_for()
        assert "secret" not in await tab.page.content()
