"""What can be wrong with the ledger; in a file of its own, since naming it costs no database."""

from __future__ import annotations


class StoreUnavailableError(Exception):
    """The store cannot be read or written now; says why, without a secret."""


class TransactionPoolerError(StoreUnavailableError):
    """A pooler stands before the store in which no lock of a session holds; says what to do."""


class SecondReplicaError(Exception):
    """Another process has this SQLite file, or this replica's name; says what to set."""


class ArchiveRefusedError(Exception):
    """An archive of that name is there that rows cannot be moved into; says what to do."""
