"""The temporary trigger that lets no new duplicate in while the repair is at work.

It locks the key's hash until the end of the writer's transaction and then looks for the fact. In READ COMMITTED that look has a
snapshot of its own, taken after the lock, so it sees what an earlier holder has committed. Above READ COMMITTED it does not: such
writers are noted by name. Updates that make a duplicate are not stopped; the build of the index finds these.
"""

from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import quoted

FIRST_LETTERS = "zz_"
"""Triggers fire in the order of their names: the guard comes last and sees the row as it would be stored."""


def trigger(target: Target) -> str:
    """The trigger's name, unquoted."""
    return FIRST_LETTERS + target.bare("guard")


def function(target: Target, guard: str) -> str:
    """The statement that makes the guard's function. The rights of its owner reach the quarantine, those of a writer need not."""
    name, table = target.beside("guard"), quoted(target.table)
    same = " AND ".join(f"{quoted(column)} = NEW.{quoted(column)}" for column in target.key)
    missing = " OR ".join(f"NEW.{quoted(column)} IS NULL" for column in target.key)
    fact = ", ".join(f"NEW.{quoted(column)}" for column in target.key)
    only = f" AND {target.condition}" if target.condition else ""
    passing = f"""
    IF NOT EXISTS (SELECT FROM (SELECT NEW.*) AS {table} WHERE {target.condition}) THEN
        RETURN NEW;
    END IF;""" if target.condition else ""  # fmt: skip
    return f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {target.path} SET enable_seqscan = off AS $guard$
#variable_conflict use_column
BEGIN
    IF {missing} THEN
        RETURN NEW;
    END IF;{passing}
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW({fact}), {_seed(target)}));
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        INSERT INTO {target.beside("evading")} SELECT session_user, current_setting('application_name'),
            current_setting('transaction_isolation')
        WHERE NOT EXISTS (SELECT FROM {target.beside("evading")} AS seen WHERE seen.role = session_user
            AND seen.application = current_setting('application_name')
            AND seen.isolation = current_setting('transaction_isolation'));
    END IF;
    PERFORM FROM {target.name} WHERE {same}{only} LIMIT 1 FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
{_answer(target, guard)}
END $guard$"""


def placing(target: Target) -> tuple[str, str]:
    """The statements that set the trigger on the table, for replicated writes, too. They wait for every writer to end."""
    name = quoted(trigger(target))
    return (
        f"CREATE OR REPLACE TRIGGER {name} BEFORE INSERT ON {target.name} FOR EACH ROW EXECUTE FUNCTION {target.beside('guard')}()",
        f"ALTER TABLE {target.name} ENABLE ALWAYS TRIGGER {name}",
    )


def removing(target: Target) -> tuple[str, str]:
    """The statements that take it away."""
    return (
        f"DROP TRIGGER IF EXISTS {quoted(trigger(target))} ON {target.name}",
        f"DROP FUNCTION IF EXISTS {target.beside('guard')}()",
    )


def standing(target: Target) -> str:
    """The query for whether it is in place and at work."""
    name = trigger(target).replace("'", "''")
    return (
        f"SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {target.oid} AND tgname = '{name}' AND tgenabled = 'A')"
    )


def _seed(target: Target) -> int:
    """Sets our locks apart from those that the application takes for itself."""
    return int(target.digest, 16)


def _answer(target: Target, guard: str) -> str:
    if guard == "refuse":
        return f"""    PERFORM nextval('{target.beside("refused").replace("'", "''")}');
    RAISE EXCEPTION 'This fact is in % already.', TG_RELID::regclass USING ERRCODE = 'unique_violation',
        HINT = 'A guard of pairmark audit repair stands here until a unique index does.';"""
    values = ", ".join(f"NEW.{quoted(one)}" for one in target.writable)
    return f"""    INSERT INTO {target.beside("quarantine")} (pairmark_reason, {target.written})
    VALUES ('diverted: the fact was there when this row was inserted', {values});
    RETURN NULL;"""
