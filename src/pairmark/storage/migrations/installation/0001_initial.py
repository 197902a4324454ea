"""Which installation a database belongs to, which schemas it is to hold, and whether it works here or has moved away."""

from alembic import op

revision = "installation_0001"
down_revision = None

TABLES = """
CREATE TABLE installation.standing (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL,
    schemas text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'arriving', 'arrived', 'moved')),
    copy_id uuid,
    other text,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT a_copy_has_two_ends CHECK (state = 'active' OR (copy_id IS NOT NULL AND other IS NOT NULL))
);

CREATE FUNCTION installation.guard_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('active', 'arriving') THEN
            RAISE EXCEPTION 'an installation begins as active or arriving' USING ERRCODE = 'PM001';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.schemas <> OLD.schemas
        OR (OLD.state, NEW.state) NOT IN (
            ('arriving', 'arriving'), ('arriving', 'arrived'), ('arrived', 'arriving'), ('arrived', 'active'), ('active', 'moved'))
        OR (NEW.state = 'active' AND NEW.copy_id IS DISTINCT FROM OLD.copy_id) THEN
        RAISE EXCEPTION 'an installation that is % does not become %', OLD.state, coalesce(NEW.state, 'nothing')
            USING ERRCODE = 'PM001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER standing_moves_are_legal BEFORE INSERT OR UPDATE OR DELETE ON installation.standing
    FOR EACH ROW EXECUTE FUNCTION installation.guard_standing();

CREATE FUNCTION installation.refuse_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = installation AS $$
DECLARE
    new_place text := (SELECT other FROM installation.standing);
    since timestamptz := (SELECT changed_at FROM installation.standing);
BEGIN
    RAISE EXCEPTION 'This Pairmark moved to % on %; % is kept as it was', new_place,
        to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD'), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME
        USING ERRCODE = 'PM006', HINT = 'Set PAIRMARK_DATABASE to that address.';
END $$;
"""


def upgrade() -> None:
    """Create the table and its guards; nobody but the owner reads or writes it."""
    op.execute(TABLES)
