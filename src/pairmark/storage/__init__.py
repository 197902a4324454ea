"""PostgreSQL: the embedded server, connections, schemas and migrations, the text store."""
