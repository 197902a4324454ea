"""Texts by the digest of their content; events carry only this id."""

from alembic import op

revision = "content_0001"
down_revision = None

TABLES = """
CREATE TABLE content.text (
    storage_id text PRIMARY KEY,
    body text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT USAGE ON SCHEMA content TO pairmark_content, pairmark_selfcheck;
GRANT SELECT, INSERT ON content.text TO pairmark_content;
GRANT SELECT ON content.schema_version TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the table and what its role may do."""
    op.execute(TABLES)
