"""The words of a PromQL text and where they stand.

The parser's tree has no positions: this finds them, for messages and for mutations.
Source: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto


class Kind(StrEnum):
    """What a word is."""

    WORD = auto()  # a name or a keyword
    NUMBER = auto()
    DURATION = auto()
    STRING = auto()
    SIGN = auto()  # an operator, a comma, a colon
    BRACKET = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One word, and its offset in the text."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.start + len(self.text)


_TOKEN = re.compile(
    r"(?P<skip>\s+|\#[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`)'
    r"|(?P<duration>(?:\d+(?:ms|[smhdwy]))+)"
    r"|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>:?[a-zA-Z_][a-zA-Z0-9_:]*)"
    r"|(?P<sign>==|!=|<=|>=|=~|!~|[-+*/%^<>=,:@])"
    r"|(?P<bracket>[()\[\]{}])",
    re.DOTALL,
)
_CLOSING = {")": "(", "]": "[", "}": "{"}


class UnreadableError(Exception):
    """A place in a text at which no word can be read; `at` is its offset."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


def tokens(text: str) -> list[Token]:
    """The words of a text, without spaces and comments.

    Raises UnreadableError at what begins no word, and at a bracket without its counterpart.
    """
    found = list(_tokens(text))
    _check_brackets(found)
    return found


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = (
                "a string that never ends" if text[at] in "\"'`" else f"{text[at]!r} is no PromQL"
            )
            raise UnreadableError(what, at)
        assert match.lastgroup is not None
        if match.lastgroup != "skip":
            yield Token(Kind(match.lastgroup), match[0], at)
        at = match.end()


def _check_brackets(found: list[Token]) -> None:
    opened: list[Token] = []
    for token in found:
        if token.kind is not Kind.BRACKET:
            continue
        if token.text in "([{":
            opened.append(token)
        elif not opened or opened.pop().text != _CLOSING[token.text]:
            raise UnreadableError(f"{token.text} closes nothing", token.start)
    if opened:
        raise UnreadableError(f"{opened[-1].text} is never closed", opened[-1].start)


def position(text: str, at: int) -> str:
    """An offset as a person counts: the column, and the line where there are several."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}" if "\n" in text else f"column {column}"


# --- what a word is in --------------------------------------------------------------------------

LISTING = ("by", "without", "on", "ignoring", "group_left", "group_right")


@dataclass(frozen=True, slots=True)
class LabelList:
    """The labels behind `by`, `on` and their like."""

    keyword: Token
    labels: tuple[Token, ...]


def label_lists(found: list[Token]) -> list[LabelList]:
    """Every list of labels, in the order of the text."""
    lists = []
    for i, token in enumerate(found[:-1]):
        if token.text.lower() in LISTING and found[i + 1].text == "(" and not in_braces(found, i):
            inside = _until(found, i + 2, ")")
            lists.append(LabelList(token, tuple(t for t in inside if t.kind is Kind.WORD)))
    return lists


@dataclass(frozen=True, slots=True)
class Braces:
    """The matchers of one selector: triples of label, operator and value."""

    name: Token | None
    matchers: tuple[tuple[Token, Token, Token], ...]


def braces(found: list[Token]) -> list[Braces]:
    """The matchers of every selector that has such, in the order of the text."""
    result = []
    for i, token in enumerate(found):
        if token.text == "{" and token.kind is Kind.BRACKET:
            inside = _until(found, i + 1, "}")
            matchers = tuple(
                (inside[k - 1], sign, inside[k + 1])
                for k, sign in enumerate(inside)
                if sign.kind is Kind.SIGN and sign.text in ("=", "!=", "=~", "!~")
            )
            named = found[i - 1] if i and found[i - 1].kind is Kind.WORD else None
            result.append(Braces(named, matchers))
    return result


def names(text: str) -> frozenset[str]:
    """Every name that may be a metric's: all words that are not among labels.

    Raises UnreadableError.
    """
    found = tokens(text)
    lists, matched = label_lists(found), braces(found)
    labels = {label.start for one in lists for label in one.labels}
    labels |= {label.start for one in matched for label, _, _ in one.matchers}
    words = {t.text for t in found if t.kind is Kind.WORD and t.start not in labels}
    named = {v.text[1:-1] for one in matched for k, _, v in one.matchers if k.text == "__name__"}
    return frozenset(words | named)


def in_braces(found: list[Token], index: int) -> bool:
    """Whether a word stands among matchers."""
    before = [token.text for token in found[:index] if token.kind is Kind.BRACKET]
    return before.count("{") > before.count("}")


def _until(found: list[Token], start: int, closing: str) -> list[Token]:
    end = start
    while end < len(found) and found[end].text != closing:
        end += 1
    return found[start:end]
