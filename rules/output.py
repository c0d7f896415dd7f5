"""How generated files look: deterministic to the byte, with a header that says what they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from model.declared import ConfigError, Problem
from rules import yaml_text

HEADER = "generated from config.py by make rules; changes by hand are lost"

# Path below the output directory to the file's whole text.
Files = dict[str, str]


@dataclass(frozen=True, slots=True)
class Built:
    """Some of the files, and what in the config cannot be compiled."""

    files: Files
    problems: list[Problem] = field(default_factory=list)


def joined(parts: Iterable[Built]) -> Files:
    """The files of all parts. Raises ConfigError with the problems of all."""
    every = list(parts)
    if problems := [problem for part in every for problem in part.problems]:
        raise ConfigError(problems)
    return {path: text for part in every for path, text in part.files.items()}


def yaml_file(document: Any) -> str:
    """A YAML file with the header."""
    return f"# {HEADER}\n{yaml_text.write(document)}"
