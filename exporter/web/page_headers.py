"""What is sent with every page that people read: nothing of it may come from elsewhere."""

from __future__ import annotations

from typing import Final

from model.runbook import STYLE_SHA256

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_SHA256}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
