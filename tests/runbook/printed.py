"""A runbook as it is printed: its headings, the lines of its fenced blocks, its items."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
USERS = HERE / "operations-runbook.md"
OURS = ROOT / "docs" / "runbook.md"

_HEADING = re.compile(r"#{1,6} (.+)")
_FENCE = re.compile(r"```(\w*)\s*$")
# An item of a list; or a word in bold with what is said of it: "**Symptoms:** Refund rate > 10%".
_ITEM = re.compile(r"\s*(?:(?:- \[ \]|-|\d+\.) (?P<item>.+)|(?P<said>\*\*[^*]+\*\* .+))")
# What stands for something that only the reader knows; to a shell it is a redirection.
_PLACEHOLDER = re.compile(r"<[\w-]+>")
# The first line of a block that is no command, but a file's content.
_PATH = re.compile(r"# (/\S+)\n")


@dataclass(frozen=True, slots=True)
class Printed:
    """One line of a block: a command, a statement, or a file, with all that belongs to it.

    `section` is the heading that it stands under, `number` the document's line that it begins on.
    """

    section: str
    language: str
    text: str
    number: int

    def __str__(self) -> str:
        return f"{self.section}, line {self.number}: {self.text.partition(chr(10))[0]}"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list in the prose, or what is said of a word in bold."""

    section: str
    text: str


@dataclass(frozen=True)
class Document:
    """What a runbook has."""

    headings: tuple[str, ...]
    lines: tuple[Printed, ...]
    items: tuple[Item, ...]

    def line(self, section: str, part: str) -> Printed:
        """The only line of a section that has this in it. Raises LookupError."""
        found = [one for one in self.lines if one.section == section and part in one.text]
        if len(found) != 1:
            raise LookupError(f'{len(found)} lines of "{section}" have {part!r} in them')
        return found[0]


@dataclass(frozen=True, slots=True)
class _Block:
    section: str
    language: str
    text: str
    number: int


@cache
def read(path: Path) -> Document:
    """A runbook. Raises ValueError for a command that its block does not end."""
    headings: list[str] = []
    blocks: list[_Block] = []
    items: list[Item] = []
    language: str | None = None
    content: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if language is not None and fence:
            begun = number - len(content)
            blocks.append(_Block(headings[-1], language, "\n".join([*content, ""]), begun))
            language = None
        elif language is not None:
            content.append(line)
        elif fence:
            language, content = fence[1], []
        elif heading := _HEADING.match(line):
            headings.append(heading[1])
        elif (item := _ITEM.match(line)) and not (item["item"] or "").startswith("["):
            items.append(Item(headings[-1], (item["item"] or item["said"]).strip()))
    lines = (line for block in blocks for line in _lines(block))
    return Document(tuple(headings), tuple(lines), tuple(items))


def _lines(block: _Block) -> Iterator[Printed]:
    if _PATH.match(block.text):
        text = block.text.partition("\n")[2]
        yield Printed(block.section, "file", text, block.number + 1)
        return
    comment, ends = {
        "bash": ("#", _is_command),
        "sql": ("--", _is_statement),
        "typescript": ("//", _is_line),
    }.get(block.language, ("#", _is_line))
    begun: list[str] = []
    for number, line in enumerate(block.text.splitlines(), block.number):
        if not begun and (not line.strip() or line.startswith(comment)):
            continue
        begun.append(line)
        text = "\n".join([*begun, ""])
        if ends(text):
            yield Printed(block.section, block.language, text, number - len(begun) + 1)
            begun = []
    if begun:
        raise ValueError(f'a command of "{block.section}" does not end: {begun}')


def _is_command(text: str) -> bool:
    """Whether bash waits for no more: no quote, loop or backslash is open."""
    if text.endswith("\\\n"):
        return False
    text = _PLACEHOLDER.sub("x", text)
    return (
        subprocess.run(
            ["bash", "-n"], input=text.encode(), stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )


def _is_statement(text: str) -> bool:
    """Whether a statement ends here, or a transaction, which is one."""
    return text.rstrip().endswith("COMMIT;" if text.startswith("BEGIN;") else ";")


def _is_line(_text: str) -> bool:
    return True
