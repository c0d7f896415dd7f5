"""A document of headings, sentences and tables as Markdown and HTML: what it says is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from model.visible import visible

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_STYLE = (
    "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:60em;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;"
    "text-align:left}"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a sentence, a list, and a table, as far as there is something to show."""

    title: str
    text: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    items: tuple[str, ...] = ()


def markdown(title: str, sections: Sequence[Section]) -> str:
    """A document in Markdown."""
    parts = [f"# {_plain(title)}"]
    for section in sections:
        if section.title:
            parts.append(f"## {_plain(section.title)}")
        if section.text:
            parts.append(_plain(section.text))
        if section.items:
            parts.append("\n".join(f"- {_plain(item)}" for item in section.items))
        if section.rows:
            lines = (section.columns, tuple("---" for _ in section.columns), *section.rows)
            parts.append(
                "\n".join(
                    "| "
                    + " | ".join(cell if cell == "---" else _plain(cell) for cell in line)
                    + " |"
                    for line in lines
                )
            )
    return "\n\n".join(parts) + "\n"


def page(title: str, sections: Sequence[Section]) -> str:
    """A document in HTML, which needs nothing else."""
    name = html.escape(title)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>',
        f"<style>{_STYLE}</style><h1>{name}</h1>",
    ]
    for section in sections:
        if section.title:
            parts.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.text:
            parts.append(f"<p>{html.escape(section.text)}</p>")
        if section.items:
            items = "".join(f"<li>{html.escape(item)}</li>" for item in section.items)
            parts.append(f"<ul>{items}</ul>")
        if section.rows:
            rows = [_row("th", section.columns), *(_row("td", row) for row in section.rows)]
            parts.append(f"<table>{''.join(rows)}</table>")
    return "\n".join(parts) + "\n"


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", visible(" ".join(text.split())))


def _row(cell: str, row: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in row) + "</tr>"
