"""Published results for the query side: one outcome a batch, one row an essay."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import messaging_tables

revision = "results_0001"
down_revision = None

OWN_EVENTS = ()

TABLES = """
CREATE TABLE results.outcome (
    job_id text PRIMARY KEY,
    batch_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('published', 'failed')),
    event_id uuid NOT NULL,
    metadata jsonb NOT NULL,
    at timestamptz NOT NULL
);

CREATE TABLE results.essay_result (
    job_id text NOT NULL REFERENCES results.outcome (job_id),
    essay_id text NOT NULL,
    rank integer NOT NULL,
    bt_score double precision NOT NULL,
    normalized_score double precision NOT NULL,
    letter_grade text,
    confidence_score double precision NOT NULL,
    confidence_label text NOT NULL CHECK (confidence_label IN ('HIGH', 'MID', 'LOW')),
    is_anchor boolean NOT NULL,
    PRIMARY KEY (job_id, essay_id)
);
CREATE TRIGGER outcome_is_permanent BEFORE UPDATE OR DELETE ON results.outcome
    FOR EACH ROW EXECUTE FUNCTION results.refuse('a published outcome never changes');

GRANT SELECT, INSERT ON results.outcome, results.essay_result TO pairmark_results;
GRANT SELECT ON ALL TABLES IN SCHEMA results TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables and what each role may do."""
    op.execute(messaging_tables("results", OWN_EVENTS))
    op.execute(TABLES)
