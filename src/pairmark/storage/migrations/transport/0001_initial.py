"""The local transport: one durable delivery row for each subscribed group of each event."""

from alembic import op

revision = "transport_0001"
down_revision = None

TABLES = """
CREATE TABLE transport.delivery (
    group_name text NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    event_key text NOT NULL,
    body text NOT NULL,
    headers jsonb NOT NULL,
    delivered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (group_name, position),
    UNIQUE (group_name, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
GRANT USAGE ON SCHEMA transport TO pairmark_transport, pairmark_selfcheck;
GRANT SELECT, INSERT, DELETE ON transport.delivery TO pairmark_transport;
GRANT SELECT ON ALL TABLES IN SCHEMA transport TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the table and what its role may do."""
    op.execute(TABLES)
