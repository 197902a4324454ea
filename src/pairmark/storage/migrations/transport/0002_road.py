"""Which road the events of this database take. Two at once would leave messages where nobody reads them."""

from alembic import op

revision = "transport_0002"
down_revision = "transport_0001"

TABLES = """
CREATE TABLE transport.road (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    kind text NOT NULL CHECK (kind IN ('local', 'kafka')),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO transport.road (kind) VALUES ('local');
GRANT SELECT ON transport.road TO pairmark_transport, pairmark_selfcheck;

CREATE FUNCTION transport.only_on_the_local_road() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7216250902);
    IF (SELECT kind FROM transport.road) <> 'local' THEN
        RAISE EXCEPTION 'events of this database go over Kafka' USING ERRCODE = 'PM001';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER only_on_the_local_road BEFORE INSERT ON transport.delivery
    FOR EACH STATEMENT EXECUTE FUNCTION transport.only_on_the_local_road();
"""


def upgrade() -> None:
    """Create the table and its guard."""
    op.execute(TABLES)
