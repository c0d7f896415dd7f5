"""The API of the ledger and of what is watched: one list of endpoints, and what is made of it."""
