"""The runbook pages as files: docs/alerts/<Alert>.md, and their index."""

from __future__ import annotations

from model.platform import Platform
from model.runbook import INDEX, Page, index, markdown, page_names, runbook
from rules.output import HEADER, Files

FOLDER = "docs/alerts"


def build(platform: Platform) -> Files:
    """`docs/alerts/<Alert>.md` for every alert, and `README.md`."""
    pages = {name: runbook(name, platform) for name in page_names(platform)}
    return {path(name): _file(page) for name, page in {INDEX: index(platform), **pages}.items()}


def path(name: str) -> str:
    """Where the page of an alert stands."""
    return f"{FOLDER}/{name}.md"


def _file(page: Page) -> str:
    return f"<!-- {HEADER} -->\n\n{markdown(page)}"
