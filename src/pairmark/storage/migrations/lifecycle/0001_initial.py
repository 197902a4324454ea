"""Requests as they were made, and the phase of every batch and essay, which moves only forward."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import messaging_tables

revision = "lifecycle_0001"
down_revision = None

OWN_EVENTS = (
    "huleedu.els.cj_assessment.requested.v1",
    "huleedu.els.batch.phase.outcome.v1",
)

TABLES = """
CREATE TABLE lifecycle.batch (
    entity_id text PRIMARY KEY,
    job_id text NOT NULL UNIQUE,
    request_digest text NOT NULL,
    generation integer NOT NULL CHECK (generation >= 1),
    parent_id text REFERENCES lifecycle.batch (entity_id),
    name text NOT NULL,
    request jsonb NOT NULL,
    correlation_id uuid NOT NULL,
    phase text NOT NULL DEFAULT 'requested' CHECK (phase IN ('requested', 'completed', 'failed', 'cancelled')),
    status text,
    requested_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (request_digest, generation)
);

CREATE TABLE lifecycle.essay (
    entity_id text NOT NULL REFERENCES lifecycle.batch (entity_id),
    essay_id text NOT NULL,
    status text NOT NULL DEFAULT 'awaiting_cj_assessment' CHECK (
        status IN ('awaiting_cj_assessment', 'cj_assessment_completed', 'cj_assessment_failed')),
    PRIMARY KEY (entity_id, essay_id)
);

CREATE TRIGGER phase_moves_only_forward BEFORE UPDATE ON lifecycle.batch
    FOR EACH ROW WHEN (OLD.phase <> 'requested') EXECUTE FUNCTION lifecycle.refuse('a phase that ended stays as it is');
CREATE TRIGGER batch_stays BEFORE DELETE ON lifecycle.batch
    FOR EACH ROW EXECUTE FUNCTION lifecycle.refuse('a batch is never deleted');

GRANT SELECT, INSERT ON lifecycle.batch, lifecycle.essay TO pairmark_lifecycle;
GRANT UPDATE (phase, status, ended_at) ON lifecycle.batch TO pairmark_lifecycle;
GRANT UPDATE (status) ON lifecycle.essay TO pairmark_lifecycle;
GRANT SELECT ON ALL TABLES IN SCHEMA lifecycle TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables and what each role may do."""
    op.execute(messaging_tables("lifecycle", OWN_EVENTS))
    op.execute(TABLES)
