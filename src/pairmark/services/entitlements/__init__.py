"""Credit accounts, reservations and the ledger."""
