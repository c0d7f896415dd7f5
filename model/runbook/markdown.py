"""A page as Markdown, as GitHub and GitLab read it (CommonMark and its tables)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model.runbook.page import Block, Code, Line, Page, Paragraph, Span, Steps, Style, Table

# The file of the index, which those who browse a repository are shown.
INDEX = "README"
# What Markdown would take for its own: the rest of ASCII's signs is harmless within a line.
# An underscore within a word is none of its signs.
_SIGNS = re.compile(r"([\\`*<>\[\]|&~]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9]))")
# And what it would take for the beginning of a heading or a list.
_LINE_START = re.compile(r"(\d*)([#+=.)-])")
_BACKTICKS = re.compile(r"`+")


def markdown(page: Page) -> str:
    """The page's text, ending with a line break."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    for block in page.lead:
        yield ""
        yield from _block(block)
    for section in page.sections:
        yield ""
        yield f"## {_escaped(section.title)}"
        for block in section.blocks:
            yield ""
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(line):
            yield _line(line)
        case Code(text):
            fence = "`" * max(3, _longest_run(text) + 1)
            yield from (fence, *text.splitlines(), fence)
        case Steps(lines, numbered):
            for number, line in enumerate(lines, 1):
                yield f"{f'{number}.' if numbered else '-'} {_line(line)}"
        case Table(heading, rows):
            yield f"| {' | '.join(map(_escaped, heading))} |"
            yield "|" + "---|" * len(heading)
            for row in rows:
                # A table's cells end at every |, even at one inside of code.
                yield f"| {' | '.join(_line(cell, in_table=True) for cell in row)} |"


def _line(line: Line, *, in_table: bool = False) -> str:
    text = "".join(_span(span, in_table=in_table) for span in line)
    if (
        not in_table
        and line
        and line[0].style is Style.TEXT
        and line[0].alert is None
        and line[0].url is None
    ):
        start = _LINE_START.match(text)
        return text if start is None else f"{start[1]}\\{text[start.start(2) :]}"
    return text


def _span(span: Span, *, in_table: bool) -> str:
    text = _styled(span, in_table=in_table)
    if span.alert is not None:
        return f"[{text}]({span.alert or INDEX}.md)"
    return f"[{text}](<{_address(span.url)}>)" if span.url is not None else text


def _styled(span: Span, *, in_table: bool) -> str:
    # Line breaks would end what is being said.
    words = " ".join(span.text.split("\n"))
    match span.style:
        case Style.TEXT:
            return _escaped(words)
        case Style.STRONG:
            return f"**{_escaped(words)}**"
        case Style.PLACEHOLDER:
            return f"*{_escaped(words)}*"
        case Style.CODE:
            fence = "`" * (_longest_run(words) + 1)
            padding = " " if words.startswith("`") or words.endswith("`") else ""
            text = f"{fence}{padding}{words}{padding}{fence}"
            return text.replace("|", "\\|") if in_table else text


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", text)


def _address(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A")


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
