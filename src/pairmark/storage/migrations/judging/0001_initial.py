"""Chunks of comparisons waiting for a judge, the calls made, and the one final answer of each comparison and attempt."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import messaging_tables

revision = "judging_0001"
down_revision = None

OWN_EVENTS = ("huleedu.llm_provider.comparison_result.v1",)

TABLES = """
CREATE TABLE judging.batch (
    batch_id text PRIMARY KEY,
    judge text NOT NULL,
    judge_digest text NOT NULL,
    correlation_id uuid NOT NULL,
    closed boolean NOT NULL DEFAULT false
);

CREATE TABLE judging.chunk (
    id uuid PRIMARY KEY,
    batch_id text NOT NULL REFERENCES judging.batch (batch_id),
    attempt integer NOT NULL,
    questions jsonb NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    open boolean NOT NULL DEFAULT true,
    tries integer NOT NULL DEFAULT 0,
    lease_token uuid,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    next_attempt_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX chunk_open ON judging.chunk (position) WHERE open;

CREATE TABLE judging.call (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id uuid NOT NULL,
    attempt integer NOT NULL,
    try integer NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL,
    cost double precision NOT NULL,
    called_at timestamptz NOT NULL
);

CREATE TABLE judging.verdict (
    request_id uuid NOT NULL,
    attempt integer NOT NULL,
    chunk_id uuid NOT NULL REFERENCES judging.chunk (id),
    kind text NOT NULL,
    winner text,
    swapped boolean NOT NULL,
    judge text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    try integer NOT NULL,
    cost double precision NOT NULL,
    response_time_ms integer NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (request_id, attempt),
    CONSTRAINT only_a_verdict_has_a_winner CHECK ((kind = 'verdict') = (winner IS NOT NULL))
);
CREATE INDEX verdict_chunk ON judging.verdict (chunk_id);
CREATE TRIGGER verdict_is_permanent BEFORE UPDATE OR DELETE ON judging.verdict
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('an answer is kept as it came');

GRANT SELECT, INSERT ON judging.batch, judging.chunk, judging.call, judging.verdict TO pairmark_judging;
GRANT UPDATE (closed) ON judging.batch TO pairmark_judging;
GRANT UPDATE (open, tries, lease_token, lease_until, next_attempt_at) ON judging.chunk TO pairmark_judging;
GRANT SELECT ON ALL TABLES IN SCHEMA judging TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables and what each role may do."""
    op.execute(messaging_tables("judging", OWN_EVENTS))
    op.execute(TABLES)
