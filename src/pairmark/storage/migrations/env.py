"""Alembic's entry point: runs the chain of one schema on the connection it is handed."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table="schema_version",
    version_table_schema=config.attributes["schema"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
