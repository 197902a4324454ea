"""Jobs of the batch APIs: a row before each job is handed in, and which calls it holds; chunks wait while jobs have them."""

from alembic import op

revision = "judging_0004"
down_revision = "judging_0003"

TABLES = """
CREATE TABLE judging.job (
    id uuid PRIMARY KEY,
    batch_id text NOT NULL,
    judge text NOT NULL,
    judge_digest text NOT NULL,
    begun_at timestamptz NOT NULL,
    asker uuid NOT NULL,
    state text NOT NULL DEFAULT 'written'
        CONSTRAINT state_is_known CHECK (state IN ('written', 'sent', 'ended', 'refused', 'given_up')),
    provider_job text,
    handle text,
    sent_at timestamptz,
    submissions integer NOT NULL DEFAULT 0,
    looks integer NOT NULL DEFAULT 0,
    next_look_at timestamptz NOT NULL,
    strangers text[] NOT NULL DEFAULT '{}',
    cancelled_at timestamptz,
    ended_at timestamptz,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT what_was_sent_is_known CHECK (state <> 'sent' OR (provider_job, handle, sent_at) IS NOT NULL),
    CONSTRAINT an_end_has_its_time CHECK ((state IN ('ended', 'refused', 'given_up')) = (ended_at IS NOT NULL))
);
CREATE INDEX job_open ON judging.job (next_look_at) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX job_of_the_provider ON judging.job (judge_digest, provider_job);
COMMENT ON COLUMN judging.job.provider_job IS 'the id the provider gave it';
COMMENT ON COLUMN judging.job.strangers IS 'jobs of the provider that were taken for this one and were not';

CREATE TABLE judging.job_call (
    call_id uuid PRIMARY KEY REFERENCES judging.model_call (id),
    job_id uuid NOT NULL REFERENCES judging.job (id),
    chunk_id uuid NOT NULL REFERENCES judging.chunk (id)
);
CREATE INDEX job_call_job ON judging.job_call (job_id);
CREATE INDEX job_call_chunk ON judging.job_call (chunk_id);

ALTER TABLE judging.chunk ADD COLUMN in_jobs boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN judging.chunk.in_jobs IS 'questions of it are out in jobs; nobody takes it up before those have ended';
"""

GUARDS = """
CREATE FUNCTION judging.guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'job % ended before', OLD.id USING ERRCODE = 'PM007';
    ELSIF NEW.ended_at IS NOT NULL AND EXISTS (
            SELECT FROM judging.job_call JOIN judging.model_call ON id = call_id WHERE job_id = NEW.id AND kind IS NULL) THEN
        RAISE EXCEPTION 'job % has calls without an outcome', OLD.id USING ERRCODE = 'PM007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_ends_once_and_whole BEFORE UPDATE ON judging.job FOR EACH ROW EXECUTE FUNCTION judging.guard_job();
CREATE TRIGGER job_stays BEFORE DELETE ON judging.job
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('a job stays in the book');
CREATE TRIGGER job_call_is_permanent BEFORE UPDATE OR DELETE ON judging.job_call
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('a call stays in its job');

GRANT SELECT, INSERT ON judging.job, judging.job_call TO pairmark_judging;
GRANT UPDATE (asker, state, provider_job, handle, sent_at, submissions, looks, next_look_at, strangers, cancelled_at,
    ended_at, detail) ON judging.job TO pairmark_judging;
GRANT UPDATE (in_jobs) ON judging.chunk TO pairmark_judging;
GRANT SELECT ON judging.job, judging.job_call TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables, their guards, and what each role may do."""
    op.execute(TABLES)
    op.execute(GUARDS)
