"""/runbooks: the pages of docs/alerts, readable in a browser, harmless, and as text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from serving import Fleet, Served, config_text, serving

from model.load import load
from model.runbook import index, markdown, runbook

ALERT = """alerts=(
        Alert(
            name="ServiceDown",
            group="services",
            expr=observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
            for_=seconds(10),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="<script>alert(1)</script>",
            actions=("`systemctl restart web`",),
        ),
    ),"""


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    text = config_text("auth-service", "own-service").replace("alerts=(),", ALERT)
    async with serving(tmp_path, Fleet(), text=text) as started:
        yield started


async def got(served: Served, path: str, accept: str | None = None) -> tuple[str, str]:
    """The type and the text of an answer."""
    headers = {} if accept is None else {"Accept": accept}
    async with served.client.get(path, headers=headers) as response:
        assert response.status == 200
        return response.content_type, await response.text()


# --- harm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/runbooks", "/runbooks/ServiceDown"])
async def test_nothing_from_elsewhere_is_loaded_and_nothing_runs(served: Served, path: str) -> None:
    async with served.client.get(path) as response:
        policy = dict(
            part.strip().split(" ", 1)
            for part in response.headers["Content-Security-Policy"].split(";")
        )
        text = await response.text()
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert not re.search(r"<script|src=|url\(|@import|style=|\bon[a-z]+=", text)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_what_a_config_says_is_escaped(served: Served) -> None:
    _, text = await got(served, "/runbooks/ServiceDown")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    "name", ["SerivceDown", "SerivceDown.md", ".md", "README", "x" * 5000, "<script>", "..%2f.."]
)
async def test_a_page_that_is_not_there_is_not_found(served: Served, name: str) -> None:
    if name == "README":
        name = "readme"
    async with served.client.get(f"/runbooks/{name}") as response:
        assert response.status == 404
        answer = await response.json()
    assert answer["code"] == "NOT_FOUND"
    assert len(answer["error"]) < 250
    if name.startswith("Serivce"):
        assert answer["error"] == ('there is no alert "SerivceDown"; did you mean "ServiceDown"?')


# --- what is served -----------------------------------------------------------------------------


async def test_a_browser_gets_html(served: Served) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    kind, text = await got(served, "/runbooks/ServiceDown", accept)
    assert kind == "text/html"
    assert text.startswith("<!DOCTYPE html>")
    assert "<h1>ServiceDown</h1>" in text
    assert "<code>systemctl restart web</code>" in text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("text/*", "text/html"),
        ("application/json", "text/html"),
        ("text/markdown", "text/markdown"),
        ("text/plain", "text/plain"),
        ("text/markdown, */*;q=0.1", "text/markdown"),
        ("TEXT/MARKDOWN", "text/markdown"),
        ("text/markdown;q=0.5, text/html", "text/html"),
        ("text/markdown;q=0, */*", "text/html"),
        ("text/markdown;q=nonsense", "text/html"),
        (";;;,,,", "text/html"),
    ],
)
async def test_a_client_gets_what_it_asks_for(
    served: Served, accept: str | None, kind: str
) -> None:
    given, _ = await got(served, "/runbooks/ServiceDown", accept)
    assert given == kind


async def test_the_text_is_that_of_docs_alerts(served: Served) -> None:
    platform = load(served.config)
    page = markdown(runbook("ServiceDown", platform))
    assert await got(served, "/runbooks/ServiceDown.md") == ("text/plain", page)
    assert (await got(served, "/runbooks/ServiceDown", "text/markdown"))[1] == page
    # By this name its links lead to the index.
    assert (await got(served, "/runbooks/README.md"))[1] == markdown(index(platform))


async def test_the_index_leads_to_every_page_and_each_back(served: Served) -> None:
    _, text = await got(served, "/runbooks")
    assert 'href="runbooks/ServiceDown"' in text
    _, text = await got(served, "/runbooks/ServiceDown")
    assert 'href="../runbooks"' in text
