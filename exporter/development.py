"""INSECURE_DEVELOPMENT=1: secrets that end with the process, for a laptop and nowhere else."""

from __future__ import annotations

import secrets
from datetime import timedelta

from pydantic import SecretStr

from exporter.settings import Settings

_TOKEN_LIFE = timedelta(hours=24)


def with_secrets(settings: Settings) -> Settings:
    """The settings with a secret in the place of each that is not set."""
    missing = {
        name: SecretStr(secrets.token_urlsafe(48))
        for name in ("jwt_secret", "ingest_token")
        if getattr(settings, name) is None
    }
    return settings.model_copy(update=missing)


def warning(settings: Settings) -> str:
    """What whoever starts it must not miss, with a token to begin with."""
    from exporter.web.tokens import mint

    rule = "!" * 79
    token = mint(settings, "developer", "admin", _TOKEN_LIFE)
    return "\n".join(
        (
            rule,
            "INSECURE_DEVELOPMENT is set. Secrets that are not given are made up and printed here.",
            "Never set it where anybody else can reach this port.",
            "",
            f"A token of the role admin, for {_TOKEN_LIFE.total_seconds() / 3600:.0f} hours:",
            f"  export TOKEN={token}",
            rule,
        )
    )
