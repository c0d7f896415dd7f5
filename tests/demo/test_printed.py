"""What a command prints, as a picture is taken of it."""

from __future__ import annotations

import pytest

from demo.printed import page_of, printed
from demo.stack import StackError


def test_a_command_that_fails_is_told_with_what_it_printed() -> None:
    with pytest.raises(StackError, match="no such luck"):
        printed(("-c", "import sys; sys.exit('no such luck')"))


def test_it_prints_on_a_terminal_and_all_of_it_is_read() -> None:
    code = "import sys; print(sys.stdout.isatty()); print('x' * 200_000); print('end')"
    lines = printed(("-c", code)).splitlines()
    assert (lines[0], len(lines[1]), lines[2]) == ("True", 200_000, "end")


def test_colours_stay_and_nothing_of_it_becomes_html() -> None:
    page = page_of("make <demo>", "\x1b[31mbroken\x1b[0m <script>alert(1)</script> {command} {0}")
    assert "make &lt;demo&gt;" in page
    assert 'class="r1">broken</span>' in page
    assert "<script>" not in page
    assert "{command} {0}" in page
