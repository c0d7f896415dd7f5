#!/usr/bin/env python
"""Coverage-guided fuzzing of the response parser with atheris: `make fuzz SECONDS=600`.

Arguments are libFuzzer's. What it finds is a file; `response_properties.check` of its content
shows the fault again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["exporter.probers.http", "exporter.probers.failure"]):
    from response_properties import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
