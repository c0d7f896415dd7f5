"""Runbook pages: one object, shown as Markdown in docs/alerts and as HTML by the exporter."""

from model.runbook.html import STYLE_SHA256, html
from model.runbook.index import MAINTENANCE, WATCHED, index
from model.runbook.markdown import INDEX, markdown
from model.runbook.page import Page
from model.runbook.pages import UnknownAlertError, page_names, runbook

__all__ = [
    "INDEX",
    "MAINTENANCE",
    "STYLE_SHA256",
    "WATCHED",
    "Page",
    "UnknownAlertError",
    "html",
    "index",
    "markdown",
    "page_names",
    "runbook",
]
