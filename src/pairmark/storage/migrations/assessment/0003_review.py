"""Essays that a person should look at before models judge them, and what models say of a comparison beside its winner."""

from alembic import op

revision = "assessment_0003"
down_revision = "assessment_0002"

TABLES = """
ALTER TABLE assessment.essay ADD COLUMN held text
    CONSTRAINT held_by_scan_or_models CHECK (held IN ('scan', 'models'));

CREATE TABLE assessment.review_queue (
    batch_id uuid NOT NULL,
    ordinal integer NOT NULL,
    number integer NOT NULL CHECK (number >= 0),
    source text NOT NULL CHECK (source IN ('scan', 'models')),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    span int4range NOT NULL,
    excerpt text NOT NULL CHECK (length(excerpt) <= 1000),
    reason text NOT NULL CHECK (length(reason) <= 500),
    created_at timestamptz NOT NULL,
    cleared_at timestamptz,
    cleared_by text CHECK (length(cleared_by) BETWEEN 1 AND 200),
    PRIMARY KEY (batch_id, ordinal, source, number),
    FOREIGN KEY (batch_id, ordinal) REFERENCES assessment.essay (batch_id, ordinal),
    CONSTRAINT cleared_by_somebody CHECK ((cleared_at IS NULL) = (cleared_by IS NULL))
);
CREATE UNIQUE INDEX review_queue_one_row_per_place ON assessment.review_queue (batch_id, ordinal, source, kind, span);
CREATE INDEX review_queue_open ON assessment.review_queue (created_at) WHERE cleared_at IS NULL;

ALTER TABLE assessment.judgement
    ADD COLUMN instructions_found boolean,
    ADD COLUMN evidence_1 text NOT NULL DEFAULT '',
    ADD COLUMN evidence_2 text NOT NULL DEFAULT '',
    ADD COLUMN call_id uuid;
"""

GUARDS = """
CREATE FUNCTION assessment.guard_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.cleared_at IS NOT NULL OR NEW.cleared_at IS NULL
        OR (to_jsonb(NEW) - 'cleared_at' - 'cleared_by') <> (to_jsonb(OLD) - 'cleared_at' - 'cleared_by') THEN
        RAISE EXCEPTION 'a row of the review queue is cleared once and changes in nothing else' USING ERRCODE = 'PM002';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER review_is_cleared_once BEFORE UPDATE ON assessment.review_queue
    FOR EACH ROW EXECUTE FUNCTION assessment.guard_review();
CREATE TRIGGER review_stays BEFORE DELETE ON assessment.review_queue
    FOR EACH ROW EXECUTE FUNCTION assessment.refuse('what was held for review stays on record');
CREATE TRIGGER reviews_stay BEFORE TRUNCATE ON assessment.review_queue
    EXECUTE FUNCTION assessment.refuse('what was held for review stays on record');
CREATE TRIGGER held_essay_stays_held BEFORE UPDATE OF held ON assessment.essay
    FOR EACH ROW WHEN (OLD.held IS NOT NULL AND NEW.held IS DISTINCT FROM OLD.held)
    EXECUTE FUNCTION assessment.refuse('an essay held for review joins the next generation, never this one');

CREATE FUNCTION assessment.check_none_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT batch_id, first AS ordinal FROM added WHERE wave > 0
            UNION ALL SELECT batch_id, second FROM added WHERE wave > 0) a
        JOIN essay e USING (batch_id, ordinal) WHERE e.held IS NOT NULL) THEN
        RAISE EXCEPTION 'an essay held for review is not put to a judge' USING ERRCODE = 'PM002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER held_essays_are_not_asked AFTER INSERT ON assessment.comparison
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION assessment.check_none_held();

CREATE FUNCTION assessment.check_none_ranked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = assessment AS $$
BEGIN
    IF EXISTS (SELECT FROM added a JOIN essay e USING (batch_id, ordinal) WHERE e.held IS NOT NULL) THEN
        RAISE EXCEPTION 'an essay held for review is not ranked' USING ERRCODE = 'PM002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER held_essays_are_not_ranked AFTER INSERT ON assessment.score
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION assessment.check_none_ranked();
"""

GRANTS = """
GRANT SELECT, INSERT ON assessment.review_queue TO pairmark_assessment;
GRANT UPDATE (cleared_at, cleared_by) ON assessment.review_queue TO pairmark_assessment;
GRANT UPDATE (held) ON assessment.essay TO pairmark_assessment;
GRANT SELECT ON assessment.review_queue TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the queue, its guards and the new columns."""
    op.execute(TABLES)
    op.execute(GUARDS)
    op.execute(GRANTS)
