"""Where the store is, as the environment says."""

from __future__ import annotations

from exporter.ledger.store import StoreOptions
from exporter.settings import Settings


def store_options(settings: Settings) -> StoreOptions:
    """Postgres where DATABASE_URL is set, else the SQLite file of LEDGER_FILE."""
    url = settings.database_url
    return StoreOptions(
        url=url.get_secret_value() if url is not None else None,
        file=settings.ledger_file,
        pool_min=settings.database_pool_min,
        pool_max=settings.database_pool_max,
    )
