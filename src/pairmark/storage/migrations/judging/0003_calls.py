"""The book of calls that cost money: a row before each call, its one outcome after it, and the purse they are paid from."""

from alembic import op

revision = "judging_0003"
down_revision = "judging_0002"

TABLES = """
CREATE TABLE judging.purse (
    batch_id text PRIMARY KEY,
    spend_limit numeric CONSTRAINT limit_is_positive CHECK (spend_limit > 0),
    reserved numeric NOT NULL DEFAULT 0 CONSTRAINT reserved_is_never_negative CHECK (reserved >= 0),
    spent numeric NOT NULL DEFAULT 0 CONSTRAINT spent_is_never_negative CHECK (spent >= 0),
    perhaps numeric NOT NULL DEFAULT 0 CONSTRAINT perhaps_is_never_negative CHECK (perhaps >= 0)
) WITH (fillfactor = 50);
COMMENT ON COLUMN judging.purse.reserved IS 'the most that calls in flight may cost';
COMMENT ON COLUMN judging.purse.spent IS 'what calls are known to have cost';
COMMENT ON COLUMN judging.purse.perhaps IS 'the most that ended calls may have cost whose cost nobody told';

CREATE TABLE judging.model_call (
    id uuid PRIMARY KEY,
    batch_id text NOT NULL,
    purpose text NOT NULL CONSTRAINT purpose_is_known CHECK (purpose IN ('comparison', 'canary')),
    request_id uuid NOT NULL,
    attempt integer NOT NULL,
    try integer NOT NULL,
    judge text NOT NULL,
    judge_digest text NOT NULL,
    prompt_hash text NOT NULL,
    repeat integer NOT NULL,
    first_id text NOT NULL,
    second_id text NOT NULL,
    estimated_cost numeric CONSTRAINT estimate_is_never_negative CHECK (estimated_cost >= 0),
    asker uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    cached_from uuid REFERENCES judging.model_call (id),
    kind text CONSTRAINT kind_is_known CHECK (kind IN ('verdict', 'refused', 'truncated', 'invalid', 'blocked', 'timed_out',
        'unavailable', 'failed', 'not_asked', 'lost')),
    ended_at timestamptz,
    winner text CONSTRAINT winner_is_known CHECK (winner IN ('first', 'second', 'tie')),
    detail text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    evidence_1 text NOT NULL DEFAULT '',
    evidence_2 text NOT NULL DEFAULT '',
    instructions_found boolean,
    model text NOT NULL DEFAULT '',
    provider text NOT NULL DEFAULT '',
    provider_request_id text NOT NULL DEFAULT '',
    finish text NOT NULL DEFAULT '',
    input_tokens integer,
    cached_tokens integer,
    output_tokens integer,
    reasoning_tokens integer,
    cost numeric CONSTRAINT cost_is_never_negative CHECK (cost >= 0),
    price text NOT NULL DEFAULT '',
    latency_ms integer,
    wire_requests integer,
    answer text NOT NULL DEFAULT '',
    CONSTRAINT an_outcome_has_its_time CHECK ((kind IS NULL) = (ended_at IS NULL)),
    CONSTRAINT a_call_with_a_winner_is_a_verdict CHECK ((kind IS NOT DISTINCT FROM 'verdict') = (winner IS NOT NULL)),
    CONSTRAINT in_flight_costs_nothing_yet CHECK (kind IS NOT NULL OR cost IS NULL),
    CONSTRAINT what_was_not_asked_costs_nothing CHECK (kind IS DISTINCT FROM 'not_asked' OR cost = 0),
    CONSTRAINT what_is_reused_costs_nothing CHECK (cached_from IS NULL OR (cost = 0 AND estimated_cost = 0))
) WITH (fillfactor = 80);
CREATE INDEX model_call_open ON judging.model_call (asker) WHERE kind IS NULL;
CREATE INDEX model_call_request ON judging.model_call (request_id);
CREATE INDEX model_call_batch ON judging.model_call (batch_id);

CREATE TABLE judging.kept_answer (
    judge_digest text NOT NULL,
    prompt_hash text NOT NULL,
    repeat integer NOT NULL,
    call_id uuid NOT NULL REFERENCES judging.model_call (id),
    PRIMARY KEY (judge_digest, prompt_hash, repeat)
);

CREATE TABLE judging.canary_run (
    batch_id text NOT NULL,
    judge_digest text NOT NULL,
    judge text NOT NULL,
    asker uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    suspended boolean,
    reason text NOT NULL DEFAULT '',
    findings jsonb NOT NULL DEFAULT '[]',
    ended_at timestamptz,
    PRIMARY KEY (batch_id, judge_digest),
    CONSTRAINT a_run_that_ended_has_its_time CHECK ((suspended IS NULL) = (ended_at IS NULL)),
    CONSTRAINT a_suspension_has_a_reason CHECK (suspended IS NOT TRUE OR reason <> '')
);

ALTER TABLE judging.verdict ADD COLUMN call_id uuid REFERENCES judging.model_call (id);
CREATE UNIQUE INDEX verdict_one_for_each_call ON judging.verdict (call_id) WHERE call_id IS NOT NULL;
"""

GUARDS = """
CREATE FUNCTION judging.pay() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = judging AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO purse (batch_id, reserved, spent, perhaps)
        SELECT batch_id, coalesce(sum(estimated_cost) FILTER (WHERE kind IS NULL), 0), 0, 0 FROM changed GROUP BY batch_id
        ORDER BY batch_id
        ON CONFLICT (batch_id) DO UPDATE SET reserved = purse.reserved + EXCLUDED.reserved;
    ELSE
        UPDATE purse p SET reserved = p.reserved - m.estimated, spent = p.spent + m.known, perhaps = p.perhaps + m.unknown
        FROM (SELECT n.batch_id, coalesce(sum(n.estimated_cost), 0) AS estimated, coalesce(sum(n.cost), 0) AS known,
                coalesce(sum(n.estimated_cost) FILTER (WHERE n.cost IS NULL), 0) AS unknown
            FROM changed n JOIN before b USING (id) WHERE b.kind IS NULL AND n.kind IS NOT NULL GROUP BY n.batch_id) m
        WHERE p.batch_id = m.batch_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER call_is_reserved AFTER INSERT ON judging.model_call REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION judging.pay();
CREATE TRIGGER call_is_paid AFTER UPDATE ON judging.model_call REFERENCING NEW TABLE AS changed OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION judging.pay();

CREATE FUNCTION judging.guard_purse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reserved > (CASE TG_OP WHEN 'UPDATE' THEN OLD.reserved ELSE 0 END)
        AND NEW.reserved + NEW.spent + NEW.perhaps > NEW.spend_limit THEN
        RAISE EXCEPTION 'calls of batch % would pass its spend limit of %', NEW.batch_id, NEW.spend_limit
            USING ERRCODE = 'PM007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER nothing_begins_beyond_the_limit BEFORE INSERT OR UPDATE ON judging.purse
    FOR EACH ROW EXECUTE FUNCTION judging.guard_purse();
CREATE TRIGGER purse_follows_the_calls BEFORE UPDATE OF reserved, spent, perhaps ON judging.purse
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION judging.refuse('a purse changes only with the book of calls');
CREATE TRIGGER purse_begins_empty BEFORE INSERT ON judging.purse
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND (NEW.reserved, NEW.spent, NEW.perhaps) <> (0, 0, 0))
    EXECUTE FUNCTION judging.refuse('a purse changes only with the book of calls');
CREATE TRIGGER purse_stays BEFORE DELETE ON judging.purse
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('what was spent is kept');

CREATE FUNCTION judging.guard_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.kind IS NOT NULL THEN
        RAISE EXCEPTION 'call % ended as % and has no second outcome', OLD.id, OLD.kind USING ERRCODE = 'PM007';
    ELSIF NEW.kind IS NULL OR (NEW.id, NEW.batch_id, NEW.purpose, NEW.request_id, NEW.attempt, NEW.try, NEW.judge,
            NEW.judge_digest, NEW.prompt_hash, NEW.repeat, NEW.first_id, NEW.second_id, NEW.estimated_cost, NEW.asker,
            NEW.begun_at, NEW.cached_from)
        IS DISTINCT FROM (OLD.id, OLD.batch_id, OLD.purpose, OLD.request_id, OLD.attempt, OLD.try, OLD.judge,
            OLD.judge_digest, OLD.prompt_hash, OLD.repeat, OLD.first_id, OLD.second_id, OLD.estimated_cost, OLD.asker,
            OLD.begun_at, OLD.cached_from) THEN
        RAISE EXCEPTION 'call % is in the book as it was begun', OLD.id USING ERRCODE = 'PM007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER call_ends_once BEFORE UPDATE ON judging.model_call FOR EACH ROW EXECUTE FUNCTION judging.guard_call();
CREATE TRIGGER call_begins_open BEFORE INSERT ON judging.model_call
    FOR EACH ROW WHEN (NEW.kind IS NOT NULL AND NEW.cached_from IS NULL)
    EXECUTE FUNCTION judging.refuse('a call is written down before it is made');
CREATE TRIGGER call_stays BEFORE DELETE ON judging.model_call
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('a call stays in the book');
CREATE TRIGGER calls_stay BEFORE TRUNCATE ON judging.model_call
    EXECUTE FUNCTION judging.refuse('a call stays in the book');
CREATE TRIGGER kept_answer_is_permanent BEFORE UPDATE OR DELETE ON judging.kept_answer
    FOR EACH ROW EXECUTE FUNCTION judging.refuse('an answer is kept as it came');

CREATE FUNCTION judging.guard_canary_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.suspended IS NOT NULL THEN
        RAISE EXCEPTION 'the canaries of batch % were judged before', OLD.batch_id USING ERRCODE = 'PM007';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER canaries_are_judged_once BEFORE UPDATE ON judging.canary_run
    FOR EACH ROW EXECUTE FUNCTION judging.guard_canary_run();
CREATE TRIGGER canary_run_stays BEFORE DELETE ON judging.canary_run
    FOR EACH ROW WHEN (OLD.suspended IS NOT NULL)
    EXECUTE FUNCTION judging.refuse('what canaries showed is kept');

GRANT SELECT, INSERT ON judging.purse, judging.model_call, judging.kept_answer, judging.canary_run TO pairmark_judging;
GRANT UPDATE (spend_limit) ON judging.purse TO pairmark_judging;
GRANT UPDATE (kind, ended_at, winner, detail, reason, evidence_1, evidence_2, instructions_found, model, provider,
    provider_request_id, finish, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost, price, latency_ms,
    wire_requests, answer) ON judging.model_call TO pairmark_judging;
GRANT UPDATE (asker, begun_at, suspended, reason, findings, ended_at) ON judging.canary_run TO pairmark_judging;
GRANT DELETE ON judging.canary_run TO pairmark_judging;
GRANT SELECT ON judging.purse, judging.model_call, judging.kept_answer, judging.canary_run TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the book, its guards, and what each role may do."""
    op.execute(TABLES)
    op.execute(GUARDS)
