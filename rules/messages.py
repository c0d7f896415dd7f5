"""The templates of Alertmanager's messages."""

from __future__ import annotations

from pathlib import Path

from model.platform import Platform
from rules.output import HEADER, Files

_SOURCE = Path(__file__).resolve().parent.parent / "templates" / "messages"


def build(platform: Platform) -> Files:
    """`alertmanager/templates/*.tmpl`, from the hand-written ones of the same name."""
    # Imported by whichever process draws them, beside the other's work: it takes long.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Other delimiters than Alertmanager's own, whose {{ }} pass through; a missing name is an
    # error. These are no HTML pages: Alertmanager escapes what it puts into them.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(_SOURCE),
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        keep_trailing_newline=True,
    )
    names = {"header": HEADER, "base_url": platform.base_url}
    return {
        f"alertmanager/templates/{path.name}": environment.get_template(path.name).render(names)
        for path in sorted(_SOURCE.glob("*.tmpl"))
    }
