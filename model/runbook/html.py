"""A page as HTML: no script, nothing from elsewhere, readable on a phone and in the dark."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Final

from model.runbook.page import (
    Block,
    Code,
    Line,
    Page,
    Paragraph,
    Section,
    Span,
    Steps,
    Style,
    Table,
)

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 48rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; }
h2 { font-size: 1.15rem; margin: 1.8rem 0 0.5rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; }
td, thead th { border-bottom: 1px solid #8883; }
li { margin: 0.35rem 0; }
code { font: 0.92em ui-monospace, monospace; background: #8882; padding: 0.1em 0.3em; }
pre { background: #8882; padding: 0.7rem; overflow-x: auto; }
pre code { background: none; padding: 0; }
a { color: LinkText; }
"""
_DIGEST = hashlib.sha256(_STYLE.encode()).digest()
# What a Content-Security-Policy names the style by, so that no other is let in.
STYLE_SHA256: Final = f"sha256-{base64.b64encode(_DIGEST).decode()}"


def html(page: Page) -> str:
    """The page's document. All that the config says is escaped."""
    return "\n".join(_lines(page)) + "\n"


def fragment(page: Page, folder: str, level: int = 2) -> str:
    """The page's sections, to stand within another page that says what the page begins with.

    `folder` is where the alerts' pages are, with a slash at its end; `level` is its headings'.
    """
    sections = (text for section in page.sections for text in _section(section, folder, level))
    return "\n".join(sections)


def _lines(page: Page) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(page.title)}</title>"
    yield f"<style>{_STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield '<p><a href="/">What is broken now</a></p>'
    yield f"<h1>{escape(page.title)}</h1>"
    # From the index a page is one step down, from a page its neighbours are beside it.
    folder = "runbooks/" if page.alert is None else ""
    for block in page.lead:
        yield from _block(block, folder)
    for section in page.sections:
        yield from _section(section, folder)
    yield "</body>"
    yield "</html>"


def _section(section: Section, folder: str, level: int = 2) -> Iterator[str]:
    yield f"<h{level}>{escape(section.title)}</h{level}>"
    for block in section.blocks:
        yield from _block(block, folder)


def _block(block: Block, folder: str) -> Iterator[str]:
    match block:
        case Paragraph(line):
            yield f"<p>{_line(line, folder)}</p>"
        case Code(text):
            yield f"<pre><code>{escape(text)}</code></pre>"
        case Steps(lines, numbered):
            kind = "ol" if numbered else "ul"
            yield f"<{kind}>"
            yield from (f"<li>{_line(line, folder)}</li>" for line in lines)
            yield f"</{kind}>"
        case Table(heading, rows):
            yield "<table>"
            titles = "".join(f"<th>{escape(title)}</th>" for title in heading)
            yield f"<thead><tr>{titles}</tr></thead>"
            yield "<tbody>"
            for row in rows:
                yield f"<tr>{''.join(f'<td>{_line(cell, folder)}</td>' for cell in row)}</tr>"
            yield "</tbody>"
            yield "</table>"


def _line(line: Line, folder: str) -> str:
    return "".join(_span(span, folder) for span in line)


def _span(span: Span, folder: str) -> str:
    text = _styled(span)
    if span.alert is not None:
        address = f"{folder}{span.alert}" if span.alert else "../runbooks"
        return f'<a href="{escape(address)}">{text}</a>'
    return f'<a href="{escape(span.url)}">{text}</a>' if span.url is not None else text


def _styled(span: Span) -> str:
    text = escape(span.text)
    match span.style:
        case Style.TEXT:
            return text
        case Style.STRONG:
            return f"<strong>{text}</strong>"
        case Style.PLACEHOLDER:
            return f"<var>{text}</var>"
        case Style.CODE:
            return f"<code>{text}</code>"
