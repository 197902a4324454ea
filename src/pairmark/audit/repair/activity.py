"""What other sessions do to a repair: old transactions that a build waits for, pins on vacuum, writers above READ COMMITTED."""

from collections.abc import Iterator

from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.session import NAME, Session
from pairmark.audit.repair.target import Target

OLD_SECONDS, TOO_OLD_SECONDS = 60, 3_600
LISTED = 5
OLD = f"""
SELECT pid, usename, coalesce(nullif(application_name, ''), '-'), round(extract(epoch FROM clock_timestamp() - xact_start))::int
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND application_name <> '{NAME}' AND xact_start < clock_timestamp() - make_interval(secs => {OLD_SECONDS})
ORDER BY xact_start
"""
HIDDEN = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type IS NULL AND pid <> pg_backend_pid()
"""
PREPARED = (
    "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() "
    "AND prepared < clock_timestamp() - interval '1 minute' ORDER BY prepared"
)
SLOTS = """
SELECT slot_name, active, age(coalesce(xmin, catalog_xmin)) FROM pg_replication_slots
WHERE coalesce(xmin, catalog_xmin) IS NOT NULL ORDER BY 3 DESC
"""
STRICTER = """
SELECT coalesce(r.rolname, 'every role'), setting FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole,
    unnest(s.setconfig) AS setting
WHERE setting LIKE 'default_transaction_isolation=%' AND setting NOT LIKE '%=read committed'
    AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1
"""


def old_transactions(session: Session, _: Target, __: Request) -> Iterator[Obstacle]:
    """Transactions that a concurrent build waits for; one of an hour is not going to end by itself."""
    for pid, user, application, seconds in session.rows(OLD)[:LISTED]:
        sentence = f"Session {pid} ({user}, {application}) has been in one transaction for {seconds:,} s; the build waits for it."
        if seconds > TOO_OLD_SECONDS:
            yield Obstacle(True, sentence, f"End it, or let an administrator run SELECT pg_terminate_backend({pid});")
        else:
            yield Obstacle(False, sentence)
    hidden = session.one(HIDDEN)
    if hidden:
        yield Obstacle(
            False,
            f"{hidden} sessions of others cannot be looked into.",
            "GRANT pg_read_all_stats to this role shows them.",
        )


def prepared(session: Session, _: Target, __: Request) -> Iterator[Obstacle]:
    """Prepared transactions stay until somebody ends them, and the build would wait as long."""
    for (gid,) in session.rows(PREPARED)[:LISTED]:
        yield Obstacle(
            True,
            f"The prepared transaction {gid} is open; the build would wait for it.",
            "COMMIT PREPARED or ROLLBACK PREPARED it.",
        )


def pins(session: Session, _: Target, __: Request) -> Iterator[Obstacle]:
    """Replication slots that keep vacuum from removing what the quarantine takes out."""
    for name, active, age in session.rows(SLOTS)[:LISTED]:
        state = "active" if active else "inactive"
        yield Obstacle(
            False,
            f"The replication slot {name} ({state}) pins vacuum at {age:,} transactions ago: moved rows still take space.",
        )


def isolation(session: Session, _: Target, __: Request) -> Iterator[Obstacle]:
    """Writers whose snapshot is older than the guard's lock slip past it."""
    found = [f"{role} ({setting.partition('=')[2]})" for role, setting in session.rows(STRICTER)]
    server = session.one("SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_isolation'")
    if server != "read committed":
        found.append(f"this server's default ({server})")
    if found:
        yield Obstacle(
            False,
            f"Writers above READ COMMITTED can slip past the guard: {', '.join(found)}.",
            "What slips past is found before the build.",
        )
