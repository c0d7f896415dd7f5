"""`python -m bench.unit_tests`: compiles a config and has promtool run all its unit tests anew.

Prints how long promtool took, packing included, and what was proved. The config is that of
MONITORING_CONFIG.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from model.load import VARIABLE, load
from programs import find
from rules.compile import compile_files
from rules.memory import Memory
from rules.prove_unit_tests import unit_tests_pass


def main() -> None:
    """Measure promtool on one config."""
    platform = load(Path(os.environ.get(VARIABLE, "config.py")))
    files = compile_files(platform)
    with tempfile.TemporaryDirectory() as directory:
        for path, text in files.items():
            (Path(directory) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(directory) / path).write_text(text, encoding="utf-8")
        started = time.monotonic()
        proof = unit_tests_pass(
            find("promtool"), Path(directory), files, len(platform.alerts), Memory(None)
        )
        took = time.monotonic() - started
    sys.stdout.write(f"{took:.1f} s: {proof.claim}\n")
    if not proof.holds:
        sys.exit("\n".join(proof.objections))


if __name__ == "__main__":
    main()
