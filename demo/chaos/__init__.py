"""Whether the ledger loses or doubles anything while what it stands on is killed."""
