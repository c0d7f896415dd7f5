"""An exporter that keeps no ledger pays for none: no database library, no signatures of tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COSTLY = ("sqlalchemy", "alembic", "aiosqlite", "jwt", "cryptography")
PROGRAM = f"""
import sys
import exporter.__main__, exporter.serve
from exporter.web.app import make_app
print([name for name in {COSTLY} if name in sys.modules])
"""


def test_what_only_a_ledger_needs_is_not_loaded() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"
