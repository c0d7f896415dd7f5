"""How generated files look: deterministic to the byte, with a header that says what they are."""

from __future__ import annotations

from typing import Any

from rules import yaml_text

HEADER = "generated from config.py by make rules; changes by hand are lost"

# Path below the output directory to the file's whole text.
Files = dict[str, str]


def yaml_file(document: Any) -> str:
    """A YAML file with the header."""
    return f"# {HEADER}\n{yaml_text.write(document)}"
