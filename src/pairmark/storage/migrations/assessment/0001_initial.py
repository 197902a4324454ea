"""Batches, essays, waves, comparisons, judgements, scores, and the facts that may exist only once."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import messaging_tables

revision = "assessment_0001"
down_revision = None

TERMINAL_TYPES = """(
    'huleedu.cj_assessment.completed.v1', 'huleedu.assessment.result.published.v1',
    'huleedu.resource.consumption.v1', 'huleedu.cj_assessment.failed.v1')"""

OWN_EVENTS = (
    "pairmark.credits.reserve.requested.v1",
    "pairmark.judging.requested.v1",
    "huleedu.cj_assessment.completed.v1",
    "huleedu.cj_assessment.failed.v1",
    "huleedu.assessment.result.published.v1",
    "huleedu.resource.consumption.v1",
)

TABLES = """
CREATE TABLE assessment.legal_move (
    from_status text NOT NULL,
    to_status text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO assessment.legal_move VALUES
    ('PENDING', 'FETCHING_CONTENT'), ('PENDING', 'ERROR_PROCESSING'), ('PENDING', 'CANCELLED'),
    ('FETCHING_CONTENT', 'PERFORMING_COMPARISONS'), ('FETCHING_CONTENT', 'COMPLETE_INSUFFICIENT_ESSAYS'),
    ('FETCHING_CONTENT', 'ERROR_PROCESSING'), ('FETCHING_CONTENT', 'ERROR_ESSAY_PROCESSING'),
    ('FETCHING_CONTENT', 'CANCELLED'),
    ('PERFORMING_COMPARISONS', 'SCORING'), ('PERFORMING_COMPARISONS', 'ERROR_PROCESSING'),
    ('PERFORMING_COMPARISONS', 'CANCELLED'),
    ('SCORING', 'COMPLETE_STABLE'), ('SCORING', 'COMPLETE_MAX_COMPARISONS'),
    ('SCORING', 'COMPLETE_FORCED_RECOVERY'), ('SCORING', 'ERROR_PROCESSING'), ('SCORING', 'CANCELLED');

CREATE TABLE assessment.batch (
    id uuid PRIMARY KEY,
    entity_id text NOT NULL UNIQUE,
    parent_id uuid REFERENCES assessment.batch (id),
    generation integer NOT NULL CHECK (generation >= 1),
    name text NOT NULL,
    user_id text NOT NULL,
    org_id text,
    assignment_id text,
    correlation_id uuid NOT NULL,
    design jsonb NOT NULL,
    status text NOT NULL DEFAULT 'PENDING' CHECK (status IN (
        'PENDING', 'FETCHING_CONTENT', 'PERFORMING_COMPARISONS', 'SCORING', 'COMPLETE_STABLE', 'COMPLETE_MAX_COMPARISONS',
        'COMPLETE_FORCED_RECOVERY', 'COMPLETE_INSUFFICIENT_ESSAYS', 'ERROR_PROCESSING', 'ERROR_ESSAY_PROCESSING',
        'CANCELLED')),
    version integer NOT NULL DEFAULT 0,
    stop_reason text,
    error text,
    essays integer NOT NULL,
    budget integer NOT NULL CHECK (budget >= 0),
    reused integer NOT NULL DEFAULT 0 CHECK (reused >= 0),
    sent integer NOT NULL DEFAULT 0,
    answered integer NOT NULL DEFAULT 0,
    counted integer NOT NULL DEFAULT 0,
    wave integer NOT NULL DEFAULT 0,
    reasks integer NOT NULL DEFAULT 0,
    due boolean NOT NULL DEFAULT false,
    deadline timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT sent_within_reservation CHECK (sent BETWEEN 0 AND budget),
    CONSTRAINT answers_within_sent CHECK (answered BETWEEN 0 AND sent AND counted BETWEEN 0 AND answered),
    CONSTRAINT every_open_status_has_a_deadline CHECK (
        (deadline IS NULL) = (status LIKE 'COMPLETE\\_%' OR status LIKE 'ERROR\\_%' OR status = 'CANCELLED')),
    CONSTRAINT ends_have_a_time_and_a_reason CHECK (
        (finished_at IS NOT NULL AND stop_reason IS NOT NULL)
        OR NOT (status LIKE 'COMPLETE\\_%' OR status LIKE 'ERROR\\_%' OR status = 'CANCELLED')),
    CONSTRAINT scoring_has_a_reason CHECK (status <> 'SCORING' OR stop_reason IS NOT NULL)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX batch_due ON assessment.batch (id) WHERE due AND deadline IS NOT NULL;
CREATE INDEX batch_deadline ON assessment.batch (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE assessment.essay (
    batch_id uuid NOT NULL REFERENCES assessment.batch (id),
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    essay_id text NOT NULL,
    text_storage_id text NOT NULL,
    words integer,
    problem text,
    PRIMARY KEY (batch_id, ordinal),
    UNIQUE (batch_id, essay_id)
);

CREATE TABLE assessment.served (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at timestamptz
);
INSERT INTO assessment.served DEFAULT VALUES;
GRANT SELECT, UPDATE ON assessment.served TO pairmark_assessment;

CREATE TABLE assessment.wave (
    batch_id uuid NOT NULL REFERENCES assessment.batch (id),
    wave integer NOT NULL CHECK (wave >= 0),
    size integer NOT NULL CHECK (size > 0),
    planned_at timestamptz NOT NULL,
    reliability double precision,
    largest_change double precision,
    prior_sd double precision,
    theta double precision[],
    PRIMARY KEY (batch_id, wave)
);

CREATE TABLE assessment.comparison (
    batch_id uuid NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    id uuid NOT NULL UNIQUE,
    wave integer NOT NULL,
    first integer NOT NULL,
    second integer NOT NULL,
    repeat integer NOT NULL CHECK (repeat >= 0),
    attempt integer NOT NULL DEFAULT 1,
    PRIMARY KEY (batch_id, ordinal),
    FOREIGN KEY (batch_id, wave) REFERENCES assessment.wave (batch_id, wave),
    CHECK (first <> second)
);

CREATE TABLE assessment.judgement (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid NOT NULL,
    ordinal integer NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('verdict', 'refused', 'truncated', 'invalid', 'blocked', 'timed_out', 'unavailable',
        'failed')),
    winner text CHECK (winner IN ('first', 'second', 'tie')),
    swapped boolean NOT NULL DEFAULT false,
    closing boolean NOT NULL,
    reused boolean NOT NULL DEFAULT false,
    judge text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    justification text NOT NULL DEFAULT '',
    confidence real,
    response_time_ms integer NOT NULL DEFAULT 0,
    cost double precision NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL,
    FOREIGN KEY (batch_id, ordinal) REFERENCES assessment.comparison (batch_id, ordinal),
    CONSTRAINT only_a_verdict_has_a_winner CHECK ((kind = 'verdict') = (winner IS NOT NULL))
);
CREATE UNIQUE INDEX judgement_one_answer_closes ON assessment.judgement (batch_id, ordinal) WHERE closing;
CREATE UNIQUE INDEX judgement_late_answer_once ON assessment.judgement (batch_id, event_id) WHERE NOT closing;

CREATE TABLE assessment.result (
    batch_id uuid PRIMARY KEY REFERENCES assessment.batch (id),
    reliability double precision,
    ssr double precision,
    prior_sd double precision,
    input_digest text NOT NULL,
    metadata jsonb NOT NULL
);

CREATE TABLE assessment.score (
    batch_id uuid NOT NULL REFERENCES assessment.result (batch_id),
    ordinal integer NOT NULL,
    rank integer NOT NULL CHECK (rank >= 1),
    theta double precision NOT NULL,
    standard_error double precision NOT NULL CHECK (standard_error > 0),
    normalized_score double precision NOT NULL CHECK (normalized_score BETWEEN 0 AND 1),
    comparisons integer NOT NULL,
    wins double precision NOT NULL,
    PRIMARY KEY (batch_id, ordinal),
    FOREIGN KEY (batch_id, ordinal) REFERENCES assessment.essay (batch_id, ordinal)
);

CREATE TABLE assessment.terminal_fact (
    batch_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('completed', 'failed'))
);
CREATE TABLE assessment.emitted_fact (
    batch_id text NOT NULL REFERENCES assessment.terminal_fact (batch_id),
    event_type text NOT NULL,
    PRIMARY KEY (batch_id, event_type)
);
"""

GUARDS = """
CREATE FUNCTION assessment.guard_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.deadline IS NULL THEN
        RAISE EXCEPTION 'batch % is % and never changes again', OLD.id, OLD.status USING ERRCODE = 'PM002';
    END IF;
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM assessment.legal_move WHERE from_status = OLD.status AND to_status = NEW.status) THEN
        RAISE EXCEPTION 'batch % may not move from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'PM002';
    END IF;
    IF (NEW.status, NEW.wave) IS DISTINCT FROM (OLD.status, OLD.wave) AND NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'batch % changed without a new version', OLD.id USING ERRCODE = 'PM002';
    END IF;
    IF NEW.version < OLD.version OR NEW.sent < OLD.sent OR NEW.answered < OLD.answered OR NEW.counted < OLD.counted
        OR (NEW.id, NEW.entity_id, NEW.budget, NEW.essays, NEW.user_id, NEW.org_id, NEW.generation)
           IS DISTINCT FROM (OLD.id, OLD.entity_id, OLD.budget, OLD.essays, OLD.user_id, OLD.org_id, OLD.generation) THEN
        RAISE EXCEPTION 'batch %: identity is fixed and counts only grow', OLD.id USING ERRCODE = 'PM002';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER batch_moves_are_legal BEFORE UPDATE ON assessment.batch
    FOR EACH ROW EXECUTE FUNCTION assessment.guard_batch();
CREATE TRIGGER batch_begins_pending BEFORE INSERT ON assessment.batch
    FOR EACH ROW WHEN (NEW.status <> 'PENDING' OR NEW.version <> 0 OR NEW.sent <> 0)
    EXECUTE FUNCTION assessment.refuse('a batch begins as PENDING');
CREATE TRIGGER batch_stays BEFORE DELETE ON assessment.batch
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('a batch is never deleted');
CREATE TRIGGER batches_stay BEFORE TRUNCATE ON assessment.batch
    EXECUTE FUNCTION assessment.refuse('a batch is never deleted');

CREATE FUNCTION assessment.record_terminal_fact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
DECLARE
    wanted text := CASE WHEN NEW.event_type = 'huleedu.cj_assessment.failed.v1' THEN 'failed' ELSE 'completed' END;
    known text;
BEGIN
    INSERT INTO terminal_fact VALUES (NEW.aggregate_id, wanted) ON CONFLICT (batch_id) DO NOTHING;
    SELECT kind INTO known FROM terminal_fact WHERE batch_id = NEW.aggregate_id;
    IF known <> wanted THEN
        RAISE EXCEPTION 'batch % has already %, it cannot be announced as %', NEW.aggregate_id, known, wanted
            USING ERRCODE = 'PM003';
    END IF;
    INSERT INTO emitted_fact VALUES (NEW.aggregate_id, NEW.event_type);
    RETURN NULL;
END $$;
CREATE TRIGGER terminal_facts_are_recorded AFTER INSERT ON assessment.event_outbox
    FOR EACH ROW WHEN (NEW.event_type IN {terminal_types}) EXECUTE FUNCTION assessment.record_terminal_fact();
CREATE UNIQUE INDEX event_outbox_one_terminal_event ON assessment.event_outbox (aggregate_id, event_type)
    WHERE event_type IN {terminal_types};
CREATE TRIGGER terminal_fact_is_permanent BEFORE UPDATE OR DELETE ON assessment.terminal_fact
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('what has been announced stays announced');
CREATE TRIGGER emitted_fact_is_permanent BEFORE UPDATE OR DELETE ON assessment.emitted_fact
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('what has been announced stays announced');
CREATE TRIGGER terminal_facts_are_permanent BEFORE TRUNCATE ON assessment.terminal_fact
    EXECUTE FUNCTION assessment.refuse('what has been announced stays announced');
CREATE TRIGGER emitted_facts_are_permanent BEFORE TRUNCATE ON assessment.emitted_fact
    EXECUTE FUNCTION assessment.refuse('what has been announced stays announced');

CREATE FUNCTION assessment.check_end_is_announced() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
DECLARE
    announced integer := (SELECT count(*) FROM emitted_fact WHERE batch_id = NEW.id::text);
    wanted integer := CASE WHEN NEW.status LIKE 'COMPLETE\\_%' THEN 3 ELSE 1 END;
BEGIN
    IF announced <> wanted OR NOT EXISTS (
        SELECT FROM terminal_fact WHERE batch_id = NEW.id::text
            AND kind = CASE WHEN wanted = 3 THEN 'completed' ELSE 'failed' END) THEN
        RAISE EXCEPTION 'batch % ended as % with % of % terminal events', NEW.id, NEW.status, announced, wanted
            USING ERRCODE = 'PM003';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER end_and_events_commit_together AFTER UPDATE OF status ON assessment.batch
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.deadline IS NULL)
    EXECUTE FUNCTION assessment.check_end_is_announced();

CREATE FUNCTION assessment.check_announcement_has_end() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM batch WHERE id::text = NEW.batch_id AND deadline IS NULL
            AND (status LIKE 'COMPLETE\\_%') = (NEW.event_type <> 'huleedu.cj_assessment.failed.v1')) THEN
        RAISE EXCEPTION '% was announced for batch %, which has not ended so', NEW.event_type, NEW.batch_id
            USING ERRCODE = 'PM003';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER events_and_end_commit_together AFTER INSERT ON assessment.emitted_fact
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION assessment.check_announcement_has_end();

CREATE FUNCTION assessment.check_budget() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT batch_id, max(ordinal) AS last FROM added GROUP BY batch_id) a
        JOIN batch b ON b.id = a.batch_id WHERE a.last >= b.budget + b.reused) THEN
        RAISE EXCEPTION 'more comparisons than the reserved budget allows' USING ERRCODE = 'PM004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER comparisons_stay_within_budget AFTER INSERT ON assessment.comparison
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION assessment.check_budget();
CREATE TRIGGER judgement_is_permanent BEFORE UPDATE OR DELETE ON assessment.judgement
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('a judgement is kept as it came');
CREATE TRIGGER score_is_permanent BEFORE UPDATE OR DELETE ON assessment.score
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('a published score never changes');
CREATE TRIGGER result_is_permanent BEFORE UPDATE OR DELETE ON assessment.result
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('a published result never changes');
"""

GRANTS = """
GRANT SELECT, INSERT ON assessment.batch, assessment.essay, assessment.wave, assessment.comparison, assessment.judgement,
    assessment.result, assessment.score TO pairmark_assessment;
GRANT UPDATE (status, version, stop_reason, error, sent, answered, counted, reused, wave, reasks, due, deadline, finished_at)
    ON assessment.batch TO pairmark_assessment;
GRANT UPDATE (words, problem) ON assessment.essay TO pairmark_assessment;
GRANT UPDATE (reliability, largest_change, prior_sd, theta) ON assessment.wave TO pairmark_assessment;
GRANT UPDATE (attempt) ON assessment.comparison TO pairmark_assessment;
GRANT SELECT ON assessment.legal_move, assessment.terminal_fact, assessment.emitted_fact TO pairmark_assessment;
GRANT SELECT ON ALL TABLES IN SCHEMA assessment TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables, their guards and what each role may do."""
    op.execute(messaging_tables("assessment", OWN_EVENTS))
    op.execute(TABLES)
    op.execute(GUARDS.replace("{terminal_types}", TERMINAL_TYPES))
    op.execute(GRANTS)
