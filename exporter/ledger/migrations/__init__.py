"""Alembic's migrations of the ledger: expand first, contract a version later."""
