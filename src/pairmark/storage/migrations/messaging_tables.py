"""The tables every service has for its messages, as first released: outbox, relay state, inbox, held, dead and unusable messages.

A later change is a migration of its own; what a migration has once run is frozen.
"""

from collections.abc import Sequence

BUCKETS = 16


def messaging_tables(schema: str, own: Sequence[str]) -> str:
    """SQL that creates the messaging tables of `schema` and what the service, the relay and the self-check may do there.

    `own`: the types of event this service may tell, and no other does.
    """
    only_own = f"event_type IN ({', '.join(repr(one) for one in own)})" if own else "false"
    return f"""
CREATE TABLE {schema}.event_outbox (
    id uuid PRIMARY KEY,
    aggregate_id text NOT NULL,
    aggregate_type text NOT NULL,
    event_type text NOT NULL,
    event_data jsonb NOT NULL,
    event_key text NOT NULL CHECK (event_key = aggregate_id),
    topic text NOT NULL CONSTRAINT topic_is_the_type CHECK (topic = event_type),
    headers jsonb NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    bucket smallint NOT NULL GENERATED ALWAYS AS (mod(abs(hashtext(aggregate_id)::bigint), {BUCKETS})) STORED,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    CONSTRAINT only_own_events CHECK ({only_own})
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX event_outbox_unpublished ON {schema}.event_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX event_outbox_aggregate ON {schema}.event_outbox (aggregate_id, event_type);

CREATE TABLE {schema}.relay_lease (
    bucket smallint PRIMARY KEY,
    token uuid,
    claimed_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO {schema}.relay_lease (bucket) SELECT generate_series(0, {BUCKETS} - 1);

CREATE TABLE {schema}.relay_hold (
    aggregate_id text PRIMARY KEY,
    bucket smallint NOT NULL GENERATED ALWAYS AS (mod(abs(hashtext(aggregate_id)::bigint), {BUCKETS})) STORED,
    attempts integer NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    parked boolean NOT NULL,
    reason text NOT NULL
);
CREATE INDEX relay_hold_due ON {schema}.relay_hold (next_attempt_at) WHERE NOT parked;

CREATE TABLE {schema}.inbox (
    event_id uuid PRIMARY KEY,
    topic text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE {schema}.handling (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    event_ids uuid[] NOT NULL DEFAULT '{{}}'
);
INSERT INTO {schema}.handling DEFAULT VALUES;

CREATE TABLE {schema}.crash_suspect (
    event_id uuid PRIMARY KEY,
    crashes integer NOT NULL
);

CREATE TABLE {schema}.held_message (
    event_id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    event_key text NOT NULL,
    body text NOT NULL,
    headers jsonb NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    last_error text NOT NULL
);
CREATE INDEX held_message_key ON {schema}.held_message (event_key, position);

CREATE TABLE {schema}.dead_letter (
    event_id uuid PRIMARY KEY,
    topic text NOT NULL,
    event_key text NOT NULL,
    body text NOT NULL,
    headers jsonb NOT NULL,
    attempts integer NOT NULL,
    cause text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE {schema}.quarantine (
    id text PRIMARY KEY,
    topic text NOT NULL,
    event_key text,
    body text NOT NULL,
    cause text NOT NULL,
    seen integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: %', lower(TG_OP), TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'PM001';
END $$;
CREATE TRIGGER event_is_immutable
    BEFORE UPDATE OF id, aggregate_id, aggregate_type, event_type, event_data, event_key, topic, headers
    ON {schema}.event_outbox FOR EACH ROW EXECUTE FUNCTION {schema}.refuse('an event never changes');
CREATE TRIGGER unpublished_event_stays
    BEFORE DELETE ON {schema}.event_outbox FOR EACH ROW WHEN (OLD.published_at IS NULL)
    EXECUTE FUNCTION {schema}.refuse('an unpublished event must be delivered first');
CREATE TRIGGER events_are_not_truncated
    BEFORE TRUNCATE ON {schema}.event_outbox EXECUTE FUNCTION {schema}.refuse('events are pruned one by one, after publication');

GRANT USAGE ON SCHEMA {schema} TO pairmark_{schema}, pairmark_relay, pairmark_selfcheck;
GRANT SELECT, INSERT ON {schema}.event_outbox TO pairmark_{schema};
GRANT SELECT, INSERT ON {schema}.inbox, {schema}.quarantine, {schema}.dead_letter TO pairmark_{schema};
GRANT DELETE ON {schema}.inbox, {schema}.dead_letter TO pairmark_{schema};
GRANT UPDATE (seen) ON {schema}.quarantine TO pairmark_{schema};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.held_message, {schema}.crash_suspect TO pairmark_{schema};
GRANT SELECT, UPDATE ON {schema}.handling TO pairmark_{schema};
GRANT SELECT ON {schema}.event_outbox TO pairmark_relay;
GRANT UPDATE (published_at, attempts, last_error) ON {schema}.event_outbox TO pairmark_relay;
GRANT SELECT, UPDATE ON {schema}.relay_lease TO pairmark_relay;
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.relay_hold TO pairmark_relay;
"""


def seats(schema: str) -> str:
    """SQL for what each consumer of a group has in hand. The table `handling` stays for processes of the version before.

    The index by aggregate is asked seldom and written with every mark of the relay: hashed, that costs less.
    """
    return f"""
DROP INDEX {schema}.event_outbox_aggregate;
CREATE INDEX event_outbox_aggregate ON {schema}.event_outbox USING hash (aggregate_id);
CREATE TABLE {schema}.in_hand (
    seat uuid PRIMARY KEY,
    event_ids uuid[] NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE {schema}.crash_suspect ADD COLUMN last_at timestamptz NOT NULL DEFAULT clock_timestamp();
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.in_hand TO pairmark_{schema};
GRANT SELECT ON {schema}.in_hand TO pairmark_selfcheck;
"""
