"""Looking for duplicates, losses and double charges, read-only."""
