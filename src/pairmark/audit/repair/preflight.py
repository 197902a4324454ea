"""What stands in the way of a repair, or should be known before it: each as one sentence, with what to do about it.

Reads the catalogue and the lists of sessions; looks at no row of the table.
"""

from collections.abc import Callable, Iterator

from pairmark.audit.repair import activity, guard
from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target
from pairmark.errors import BadRequest

OLDEST_SERVER = 140_000
READ_ONLY = "SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only'"
PLAN_B = "See plan B, which deletes nothing."
KINDS = {"v": "a view", "m": "a materialised view", "f": "a foreign table"}
REFERENCES = """
SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND confrelid = %s AND conparentid = 0 ORDER BY 1, 2
"""
TRIGGERS = """
SELECT tgname, CASE WHEN tgtype & 8 <> 0 THEN 'DELETE' WHEN tgtype & 4 <> 0 THEN 'INSERT' ELSE 'UPDATE' END,
    tgtype & 3 = 3
FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal AND tgenabled <> 'D' AND tgname <> %s ORDER BY 1
"""
INVALID = """
SELECT i.indexrelid::regclass::text, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %s AND NOT (i.indisvalid AND i.indisready) ORDER BY 1
"""
KEY_TYPES = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', coalesce(c.collisdeterministic, true)
FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = %s AND a.attname = ANY (%s) ORDER BY a.attnum
"""
PUBLISHED_DELETES = """
SELECT p.pubname, c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
FROM pg_publication_tables t JOIN pg_publication p USING (pubname) JOIN pg_class c ON c.oid = %s
WHERE t.schemaname = %s AND t.tablename = %s AND p.pubdelete ORDER BY 1
"""


Check = Callable[[Session, Target, Request], Iterator[Obstacle]]


def look(session: Session, target: Target, request: Request) -> list[Obstacle]:
    """Everything that is in the way or worth knowing, what refuses first."""
    checks: tuple[Check, ...] = (
        _server, _kind, _references, _rights, _hidden_rows, _key, _triggers, _publications, _leftovers, _bulk,
        activity.old_transactions, activity.prepared, activity.pins, activity.isolation,
    )  # fmt: skip
    found = [one for check in checks for one in check(session, target, request)]
    return sorted(found, key=lambda one: not one.refuses)


def _server(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    if target.version < OLDEST_SERVER:
        yield Obstacle(True, "This server is older than PostgreSQL 14.", "Use --emit alembic as a draft, and adapt it.")
    if session.one("SELECT pg_is_in_recovery()"):
        yield Obstacle(True, "This server is a replica, which takes no writes.", "Give the address of its primary.")
    elif session.one(READ_ONLY) == "on":
        yield Obstacle(True, "This role may only read (default_transaction_read_only).", "Use a role that may write.")


def _kind(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    name = target.spoken
    if target.kind in KINDS:
        yield Obstacle(True, f"{name} is {KINDS[target.kind]}, not a table.", "Name the table beneath it.")
    elif target.kind == "p":
        yield _partitioned(session, target)
    elif session.one("SELECT relispartition FROM pg_class WHERE oid = %s", [target.oid]):
        parent = session.one("SELECT inhparent FROM pg_inherits WHERE inhrelid = %s", [target.oid])
        if not _covers(session, parent, target):
            yield Obstacle(True, f"{name} is one of several partitions, and the key does not contain what they are divided by: "
                           "a fact may stand in two of them.", PLAN_B)  # fmt: skip
    elif session.one("SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = %s)", [target.oid]):
        yield Obstacle(True, f"Other tables inherit from {name}; an index of it does not cover their rows.", PLAN_B)
    rules = session.rows("SELECT rulename FROM pg_rewrite WHERE ev_class = %s AND rulename <> '_RETURN'", [target.oid])
    if rules:
        yield Obstacle(
            True, f"{name} has the rule {rules[0][0]}, which may turn a write into something else.", "Drop it."
        )


def _partitioned(session: Session, target: Target) -> Obstacle:
    divided = session.one("SELECT pg_get_partkeydef(%s)", [target.oid])
    if not _covers(session, target.oid, target):
        return Obstacle(
            True,
            f"{target.spoken} is partitioned by {divided}, which is not in the key, so no unique index can cover it.",
            PLAN_B,
        )
    leaves = [row[0] for row in session.rows(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s ORDER BY 1", [target.oid])]  # fmt: skip
    return Obstacle(
        True,
        f"{target.spoken} is partitioned by {divided}, and no index of a partitioned table is built concurrently.",
        f"The key contains what it is divided by: repair each partition by ?table= ({', '.join(leaves[:10])}).",
    )


def _covers(session: Session, parent: int, target: Target) -> bool:
    """Whether the parent is divided by plain columns that all are in the key."""
    columns = session.one(
        "SELECT CASE WHEN partexprs IS NULL THEN (SELECT array_agg(a.attname::text) FROM pg_attribute a "
        "WHERE a.attrelid = partrelid AND a.attnum = ANY (partattrs)) END FROM pg_partitioned_table WHERE partrelid = %s",
        [parent],
    )
    return columns is not None and set(columns) <= set(target.key)


def _references(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    for table, name in session.rows(REFERENCES, [target.oid]):
        yield Obstacle(True, f"{table} refers to rows of {target.spoken} ({name}): taking rows out fails, or takes those along.",
                       PLAN_B)  # fmt: skip


def _rights(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    if not session.one("SELECT pg_has_role(current_user, %s, 'USAGE')", [target.owner]):
        yield Obstacle(True, f"Only the owner of {target.spoken} may build an index, and that is {target.owner}.",
                       "`pairmark audit grants` prints the rights that a repair needs.")  # fmt: skip
    if not session.one("SELECT has_schema_privilege(%s, 'CREATE')", [target.schema]):
        yield Obstacle(True, f"This role may create nothing in the schema {target.schema}.",
                       "`pairmark audit grants` prints the rights that a repair needs.")  # fmt: skip


def _hidden_rows(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    if session.one("SELECT row_security_active(%s::oid)", [target.oid]):
        yield Obstacle(True, f"Row security hides rows of {target.spoken} from this role, so it cannot see all duplicates.",
                       "Use its owner (without FORCE ROW LEVEL SECURITY), or a role with BYPASSRLS.")  # fmt: skip


def _key(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    for column, kind, generated, deterministic in session.rows(KEY_TYPES, [target.oid, list(target.key)]):
        if generated:
            yield Obstacle(
                True, f"{column} is a generated column, which a trigger cannot see yet.", "Name another column."
            )
        if not deterministic:
            yield Obstacle(True, f"{column} has a collation that takes different texts as equal; the guard cannot tell these.",
                           "Name another column.")  # fmt: skip
        try:
            session.rows(f"SELECT hash_record_extended(ROW(NULL::{kind}), 0), NULL::{kind} < NULL::{kind}")
        except BadRequest:
            yield Obstacle(
                True, f"{column} is of type {kind}, on which no unique index can be built.", "Name another column."
            )
    if target.condition:
        session.rows(f"EXPLAIN SELECT FROM {target.name} WHERE {target.condition}")


def _triggers(session: Session, target: Target, request: Request) -> Iterator[Obstacle]:
    for name, event, row_before in session.rows(TRIGGERS, [target.oid, guard.trigger(target)]):
        if event == "DELETE":
            yield Obstacle(
                not request.accept_triggers,
                f"The trigger {name} fires for every row that goes into quarantine.",
                "" if request.accept_triggers else "If that is harmless, add --accept-triggers.",
            )
        elif event == "INSERT" and row_before and name > guard.trigger(target):
            yield Obstacle(
                True, f"The trigger {name} fires after the guard and could change the key.", "Rename it meanwhile."
            )
        elif event == "INSERT" and not row_before:
            yield Obstacle(False, f"The trigger {name} will not fire for an insert that the guard diverts.")


def _publications(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    for name, nameless in session.rows(PUBLISHED_DELETES, [target.oid, target.schema, target.table]):
        if nameless:
            yield Obstacle(True, f"The publication {name} sends deletes of {target.spoken}, which has no replica identity.",
                           f"ALTER TABLE {target.name} REPLICA IDENTITY FULL;")  # fmt: skip
        else:
            yield Obstacle(
                False, f"The publication {name} tells its subscribers of every row that goes into quarantine."
            )


def _leftovers(session: Session, target: Target, _: Request) -> Iterator[Obstacle]:
    for shown, name in session.rows(INVALID, [target.oid]):
        if name in (target.index, target.bare("lookup")):
            yield Obstacle(False, f"An earlier build left {shown} invalid; it is dropped and built again.")
        else:
            yield Obstacle(False, f"{shown} is invalid: it protects nothing, slows every write, and hides behind IF NOT EXISTS.",
                           f"DROP INDEX CONCURRENTLY {shown};")  # fmt: skip


def _bulk(session: Session, _: Target, __: Request) -> Iterator[Obstacle]:
    room = session.one(
        "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int "
        "+ current_setting('max_prepared_transactions')::int)"
    )
    yield Obstacle(False, f"The guard takes one lock per inserted row until its transaction ends; this server has room for about "
                   f"{room:,} in all. Hold back bulk loads into the table meanwhile.")  # fmt: skip
