"""Schema of every service, one Alembic chain each, so that any service can move to a database of its own."""
