"""Accounts, reservations and the append-only ledger; `available` changes only through a ledger row."""

from alembic import op

from pairmark.storage.migrations.messaging_tables import messaging_tables

revision = "entitlements_0001"
down_revision = None

OWN_EVENTS = (
    "pairmark.credits.reserve.granted.v1",
    "pairmark.credits.reserve.refused.v1",
)

TABLES = """
CREATE TABLE entitlements.cost (
    resource_type text PRIMARY KEY,
    credits_per_unit bigint NOT NULL CHECK (credits_per_unit >= 0)
);
INSERT INTO entitlements.cost VALUES ('cj_comparison', 1);

CREATE TABLE entitlements.account (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('organisation', 'user', 'default')),
    owner text NOT NULL,
    unlimited boolean NOT NULL,
    available bigint NOT NULL DEFAULT 0,
    UNIQUE (kind, owner),
    CONSTRAINT available_is_never_negative CHECK (unlimited OR available >= 0)
);

CREATE TABLE entitlements.reservation (
    batch_id text PRIMARY KEY,
    account_id uuid REFERENCES entitlements.account (id),
    quantity bigint NOT NULL CHECK (quantity >= 0),
    credits_per_unit bigint NOT NULL,
    reserved bigint NOT NULL CHECK (reserved >= 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    state text NOT NULL CHECK (state IN ('open', 'closed', 'refused', 'tombstone')),
    CONSTRAINT captured_and_released_within_reserved CHECK (captured + released <= reserved),
    CONSTRAINT closed_is_settled CHECK (state = 'open' OR captured + released = reserved),
    CONSTRAINT open_and_closed_have_an_account CHECK (state NOT IN ('open', 'closed') OR account_id IS NOT NULL)
);

CREATE TABLE entitlements.ledger (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES entitlements.account (id),
    kind text NOT NULL CHECK (kind IN ('grant', 'adjustment', 'reserve', 'capture', 'release')),
    batch_id text CONSTRAINT a_batch_has_a_reservation REFERENCES entitlements.reservation (batch_id),
    operation_id text UNIQUE,
    amount bigint NOT NULL,
    charged bigint NOT NULL DEFAULT 0 CHECK (charged >= 0),
    note text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    CONSTRAINT a_batch_or_an_operation CHECK ((batch_id IS NULL) <> (operation_id IS NULL)),
    CONSTRAINT only_capture_charges CHECK (charged = 0 OR kind = 'capture'),
    CONSTRAINT amount_has_its_sign CHECK (
        CASE kind WHEN 'reserve' THEN amount <= 0 WHEN 'capture' THEN amount = 0 WHEN 'adjustment' THEN true
        ELSE amount >= 0 END)
);
CREATE UNIQUE INDEX ledger_once_per_batch_and_kind ON entitlements.ledger (batch_id, kind);

CREATE FUNCTION entitlements.apply_ledger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = entitlements AS $$
BEGIN
    UPDATE account SET available = available + NEW.amount WHERE id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_moves_the_account AFTER INSERT ON entitlements.ledger
    FOR EACH ROW EXECUTE FUNCTION entitlements.apply_ledger();
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON entitlements.ledger
    FOR EACH ROW EXECUTE FUNCTION entitlements.refuse('the ledger is append-only');
CREATE TRIGGER ledger_is_not_truncated BEFORE TRUNCATE ON entitlements.ledger
    EXECUTE FUNCTION entitlements.refuse('the ledger is append-only');
CREATE TRIGGER available_follows_the_ledger BEFORE UPDATE OF available ON entitlements.account
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION entitlements.refuse('available changes only with a ledger row');
CREATE TRIGGER account_begins_empty BEFORE INSERT ON entitlements.account
    FOR EACH ROW WHEN (NEW.available <> 0)
    EXECUTE FUNCTION entitlements.refuse('available changes only with a ledger row');

CREATE FUNCTION entitlements.guard_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR (NEW.account_id, NEW.reserved, NEW.quantity, NEW.credits_per_unit)
        IS DISTINCT FROM (OLD.account_id, OLD.reserved, OLD.quantity, OLD.credits_per_unit) THEN
        RAISE EXCEPTION 'reservation of batch % is % and settled once, on its own account', OLD.batch_id, OLD.state
            USING ERRCODE = 'PM005';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reservation_settles_once BEFORE UPDATE ON entitlements.reservation
    FOR EACH ROW EXECUTE FUNCTION entitlements.guard_reservation();
CREATE TRIGGER reservation_stays BEFORE DELETE ON entitlements.reservation
    FOR EACH ROW EXECUTE FUNCTION entitlements.refuse('a reservation is never deleted');

GRANT SELECT ON entitlements.cost TO pairmark_entitlements;
GRANT SELECT, INSERT ON entitlements.account, entitlements.reservation, entitlements.ledger TO pairmark_entitlements;
GRANT UPDATE (unlimited) ON entitlements.account TO pairmark_entitlements;
GRANT UPDATE (captured, released, state) ON entitlements.reservation TO pairmark_entitlements;
GRANT SELECT ON ALL TABLES IN SCHEMA entitlements TO pairmark_selfcheck;
"""


def upgrade() -> None:
    """Create the tables, their guards and what each role may do."""
    op.execute(messaging_tables("entitlements", OWN_EVENTS))
    op.execute(TABLES)
