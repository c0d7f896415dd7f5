"""How generated files look: deterministic to the byte, with a header that says what they are."""

from __future__ import annotations

from typing import Any

import yaml

HEADER = "generated from config.py by make rules; changes by hand are lost"

# Path below the output directory to the file's whole text.
Files = dict[str, str]


class _Dumper(yaml.CSafeDumper):
    """Writes lists as people indent them, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_file(document: Any) -> str:
    """A YAML file with the header."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=4096, allow_unicode=True)
    return f"# {HEADER}\n{body}"
