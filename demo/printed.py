"""What a command prints on a terminal, and that as a page which looks like one."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from demo.stack import ROOT, StackError

COLUMNS: Final = 110
_CHUNK: Final = 65_536
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; color: {foreground}; width: max-content; }}
pre {{ margin: 0; padding: 1.2rem 1.6rem; font: 15px/1.45 "DejaVu Sans Mono", monospace; }}
.prompt {{ opacity: 0.7; }}
{stylesheet}
</style></head><body><pre><span class="prompt">$ </span>{{command}}
{code}</pre></body></html>
"""


def printed(arguments: Sequence[str]) -> str:
    """What Python prints that is started with these arguments on a terminal, colours included.

    Raises StackError with the last of it if the command fails.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm"}
    try:
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            text = _read(ours)
    finally:
        os.close(ours)
    if process.returncode != 0:
        raise StackError(f"{' '.join(arguments)} has failed:\n{text[-2000:]}")
    return text.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    """All of it, until nobody holds the other end any more."""
    read = bytearray()
    while True:
        try:
            chunk = os.read(terminal, _CHUNK)
        except OSError:  # how Linux tells the end of a pseudo-terminal
            return read.decode()
        if not chunk:
            return read.decode()
        read += chunk


def page_of(command: str, text: str) -> str:
    """A page that shows a command and what it has printed, as a dark terminal does."""
    from html import escape

    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI
    from rich.text import Text

    console = Console(record=True, file=io.StringIO(), width=COLUMNS, highlight=False)
    console.print(Text.from_ansi(text))
    page = console.export_html(theme=DIMMED_MONOKAI, code_format=_PAGE)
    return page.replace("{command}", escape(command), 1)
