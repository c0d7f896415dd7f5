"""A document in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporter.operations.console import OperationError
from exporter.operations.tables import Section, markdown, page


def write(output: Path, title: str, sections: Sequence[Section]) -> None:
    """Write it: HTML where its name says so, else Markdown. Raises OperationError."""
    make = page if output.suffix in (".html", ".htm") else markdown
    try:
        output.write_text(make(title, sections), encoding="utf-8")
    except OSError as error:
        raise OperationError(f"{output}: {error.strerror}") from None
