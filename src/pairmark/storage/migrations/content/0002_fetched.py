"""Texts of other services: under which id one was fetched, and by which digest it is kept."""

from alembic import op

revision = "content_0002"
down_revision = "content_0001"

TABLES = """
CREATE TABLE content.fetched (
    storage_id text PRIMARY KEY,
    digest text NOT NULL REFERENCES content.text (storage_id),
    fetched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT ON content.fetched TO pairmark_content;
"""


def upgrade() -> None:
    """Create the table and what the service's role may do."""
    op.execute(TABLES)
