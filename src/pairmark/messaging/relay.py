"""The relay moves committed events from one service's outbox to the transport: at least once, whole aggregates, in order.

It selects what is *unpublished*, never what is newer than the last seen: rows commit out of order. Buckets of aggregates have
one owner, elected by a session lock and fenced by a lease in database time. The transport is never called inside a transaction.

What lies below the low-water mark is published or belongs to an aggregate with a row in `relay_hold`, which stays until the
aggregate was sent. While any hold is due, a claim therefore begins at the beginning.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg import sql

from pairmark.clock import Clock
from pairmark.errors import Busy
from pairmark.messaging.backoff import delay_seconds
from pairmark.messaging.low_mark import LowMark, Sweeps
from pairmark.messaging.ownership import OwnedConnection
from pairmark.messaging.transport import Failure, Sent, Stored, Transport
from pairmark.storage import faults
from pairmark.storage.connection import Database, execute, translated, values
from pairmark.storage.migrations.messaging_tables import BUCKETS

LEASE_SECONDS = 5.0
LIMIT = 500
SWEEP_SECONDS = 2.0
OUST_AFTER_SECONDS = 30.0
"""An owner under way renews its lease every few seconds; one that has not for so long, with events waiting, is stopped or stuck."""
PARK_AFTER = 8
NEVER = 2**30

CLAIM = """
SELECT seq, id, event_key, topic, event_data::text, headers::text FROM event_outbox o
WHERE published_at IS NULL AND bucket = ANY(%(buckets)s) AND id <> ALL(%(under_way)s)
  AND seq > CASE WHEN EXISTS (SELECT FROM relay_hold WHERE NOT parked AND next_attempt_at <= %(now)s AND bucket = ANY(%(buckets)s))
      THEN 0 ELSE %(low)s END
  AND NOT EXISTS (SELECT FROM relay_hold h WHERE h.aggregate_id = o.aggregate_id AND (h.parked OR h.next_attempt_at > %(now)s))
ORDER BY seq LIMIT %(limit)s
"""
MARK = """
UPDATE event_outbox o SET published_at = clock_timestamp()
WHERE id = ANY(%b::uuid[]) AND published_at IS NULL AND bucket = ANY(ARRAY(SELECT bucket FROM relay_lease WHERE token = %s))
"""
LEASE = """
UPDATE relay_lease SET token = %s, claimed_until = clock_timestamp() + make_interval(secs => %s)
WHERE bucket = ANY(%s) AND (token = %s OR %s OR claimed_until < clock_timestamp()) RETURNING bucket
"""
LIFT = """
DELETE FROM relay_hold h WHERE NOT parked AND aggregate_id = ANY(%s) AND next_attempt_at <= %s
  AND EXISTS (SELECT FROM relay_lease l WHERE l.bucket = h.bucket AND l.token = %s)
"""
CLEAR = """
DELETE FROM relay_hold h WHERE NOT parked AND next_attempt_at <= %s AND bucket = ANY(%s)
  AND NOT EXISTS (SELECT FROM event_outbox o WHERE o.aggregate_id = h.aggregate_id AND o.published_at IS NULL)
"""
REQUEUE = """
UPDATE relay_hold SET parked = false, attempts = 0, next_attempt_at = '-infinity' WHERE aggregate_id = %s
"""
OUST = """
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN {s}.relay_lease r
    ON ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(%(name)s || ':' || r.bucket, 1)
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND r.claimed_until < clock_timestamp() - make_interval(secs => %(seconds)s)
    AND EXISTS (SELECT FROM {s}.event_outbox o WHERE o.published_at IS NULL AND o.bucket = r.bucket
        AND o.created_at < clock_timestamp() - make_interval(secs => %(seconds)s)
        AND NOT EXISTS (SELECT FROM {s}.relay_hold h WHERE h.aggregate_id = o.aggregate_id
            AND (h.parked OR h.next_attempt_at > clock_timestamp())))
"""
"""Ends the session of an owner that is alive, holds the lock of a bucket, and does not send what has waited there for long."""
HOLD = """
INSERT INTO relay_hold AS h (aggregate_id, attempts, next_attempt_at, parked, reason) VALUES (%s, 1, %s, %s, %s)
ON CONFLICT (aggregate_id) DO UPDATE SET attempts = h.attempts + 1, reason = EXCLUDED.reason,
    parked = EXCLUDED.parked OR h.attempts + 1 >= %s,
    next_attempt_at = EXCLUDED.next_attempt_at + make_interval(secs => least(power(2, h.attempts), 300))
"""


@dataclass
class RelayCounts:
    """What this relay did since it started."""

    sent: int = 0
    resends: int = 0
    failures: int = 0


class Relay:
    """Relay of one outbox. `step` does one claim; any number of relays may run."""

    def __init__(self, database: Database, schema: str, transport: Transport, clock: Clock) -> None:
        self._owned = OwnedConnection(database, "relay", schema, plans=False)
        self._schema = schema
        self._transport = transport
        self._clock = clock
        self._token = uuid4()
        self._buckets: list[int] = []
        self._leased_until = float("-inf")
        self._low = LowMark("event_outbox")
        self._session: object = None
        self._database = database
        self._look_again_at = float("-inf")
        self._sender: ThreadPoolExecutor | None = None
        self._sweeps = Sweeps(clock, SWEEP_SECONDS)
        self.counts = RelayCounts()

    def step(self) -> int:
        """Claim, send and mark once; returns how many events were acknowledged."""
        try:
            if not self._leased():
                if self.owner and len(self._buckets) == BUCKETS and not self._claim():
                    return 0  # an idle owner of everything needs no lease, and writes none
                if not self._hold_buckets():
                    return 0
            rows = self._claim()
            if not rows:
                return 0
            return self._send(rows)
        except Busy as error:
            self._buckets = []
            raise self._owned.lost(error) from error

    @property
    def owner(self) -> bool:
        """Whether this relay, and no other, sends for some buckets."""
        return bool(self._buckets and self._owned.held)

    def _leased(self) -> bool:
        return self.owner and self._clock.monotonic() < self._leased_until - LEASE_SECONDS / 2

    def _hold_buckets(self) -> bool:
        """Own buckets under a lease that outlasts the transport's delivery time-out.

        Who gets a session lock knows that its last owner is gone or cut off. Its token is replaced, so it can mark nothing more;
        its lease is waited out only where a send it has begun could still do harm.
        """
        session = self._owned.connection()
        owned = self._owned.try_own_each({f"relay:{self._schema}:{bucket}": bucket for bucket in range(BUCKETS)})
        if not owned:
            self._look_after_owner()
            return False
        started = self._clock.monotonic()
        with translated():
            rows = execute(
                self._owned.connection(),
                LEASE,
                [self._token, LEASE_SECONDS, owned, self._token, not self._transport.late_sends_reorder],
            )
        leased = sorted(values(rows))
        if session is not self._session or not set(leased) <= set(self._buckets):
            self._low.reset()  # others have sent, held and lifted there in the meantime
        self._session, self._buckets = session, leased
        self._leased_until = started + LEASE_SECONDS
        return bool(self._buckets)

    def _look_after_owner(self) -> None:
        """A process that was stopped keeps its session, and with it the lock: end that, so that somebody sends (G8).

        When it wakes, its connection is gone, and what it had in hand with it.
        """
        if self._clock.monotonic() < self._look_again_at:
            return
        self._look_again_at = self._clock.monotonic() + OUST_AFTER_SECONDS / 6
        scope = {"name": f"relay:{self._schema}", "seconds": OUST_AFTER_SECONDS}
        with self._database.connect(None, self._schema) as connection, translated():
            connection.execute(sql.SQL(OUST).format(s=sql.Identifier(self._schema)), scope)

    def _claim(self, under_way: Sequence[UUID] = ()) -> list[tuple[int, Stored]]:
        """The first events that may go, but those under way. Not "those after": numbers are given before the commit (G9)."""
        connection = self._owned.connection()
        with translated(), self._sweeps.due(possible=not under_way) as sweep:
            if sweep:
                execute(connection, CLEAR, [self._clock.now(), self._buckets])
            may_move = not under_way and self._low.may_move(connection)
            scope = {"buckets": self._buckets, "now": self._clock.now(), "limit": LIMIT, "under_way": list(under_way)}
            rows = execute(connection, CLAIM, scope | {"low": 0 if sweep else self._low.value})
            if not under_way:
                self._low.moved(connection, rows[0][0] if rows else None, may_move=may_move)
        faults.reach(f"relay.{self._schema}.claimed")
        return [(row[0], Stored(*row[1:])) for row in rows]

    def _send(self, rows: Sequence[tuple[int, Stored]]) -> int:
        """Send a claim, and while it is under way mark the one before and claim the one after, as long as claims are full.

        What comes after an event that was not acknowledged stays behind with it.
        """
        done, sent, behind = 0, list[Stored](), set[str]()
        while rows and self._clock.monotonic() + self._transport.delivery_timeout <= self._leased_until:
            events, number = [event for _, event in rows], len(rows)
            self._sender = self._sender or ThreadPoolExecutor(1, thread_name_prefix="pairmark-send")
            sending = self._sender.submit(self._transport.publish, events)
            try:
                self._mark(sent)
                following = self._claim([event.id for event in events]) if number >= LIMIT else []
            finally:
                wait([sending])
            sent = self._settle(events, sending.result())
            done += len(sent)
            arrived = {event.id for event in sent}
            behind |= {event.key for event in events if event.id not in arrived}
            rows = [row for row in following if row[1].key not in behind]
        self._mark(sent)
        return done

    def _settle(self, events: Sequence[Stored], outcome: Sent) -> list[Stored]:
        """Hold back what was refused; returns what was acknowledged."""
        faults.reach(f"relay.{self._schema}.acknowledged")
        stopped: dict[str, Stored] = {}
        for event in events:
            if event.id in outcome.failures:
                stopped.setdefault(event.key, event)
        for event in stopped.values():
            self._hold(event, outcome.failures[event.id])
        return [event for event in events if event.id in outcome.acknowledged]

    def _mark(self, sent: list[Stored]) -> None:
        ids = [event.id for event in sent]
        if not ids:
            return
        with translated(), self._owned.connection().transaction():
            connection = self._owned.connection()
            connection.execute("SET LOCAL synchronous_commit = off")
            marked = connection.execute(MARK, [ids, self._token]).rowcount
            connection.execute(LIFT, [sorted({event.key for event in sent}), self._clock.now(), self._token])
        self.counts.sent += marked
        self.counts.resends += len(ids) - marked
        faults.reach(f"relay.{self._schema}.marked")

    def _hold(self, event: Stored, failure: Failure) -> None:
        """Space the retries of this aggregate; park it with its reason when they do not help."""
        self.counts.failures += 1
        next_attempt = self._clock.now() + timedelta(seconds=delay_seconds(1))
        with translated(), self._owned.connection().transaction():
            connection = self._owned.connection()
            park_after = NEVER if failure.shared else PARK_AFTER
            connection.execute(HOLD, [event.key, next_attempt, failure.fatal, failure.reason, park_after])
            connection.execute(
                "UPDATE event_outbox SET attempts = attempts + 1, last_error = %s WHERE id = %s",
                [failure.reason, event.id],
            )

    def requeue(self, aggregate_id: str) -> int:
        """Let a parked or delayed aggregate be tried again at once; returns how many holds were lifted."""
        with translated():
            connection = self._owned.connection()
            return connection.execute(REQUEUE, [aggregate_id]).rowcount

    def close(self) -> None:
        """Stop cleanly: the buckets are free for another relay at once."""
        if self._sender is not None:
            self._sender.shutdown(wait=True)
            self._sender = None
        if self._buckets and self._owned.held:
            with translated():
                self._owned.connection().execute(
                    "UPDATE relay_lease SET claimed_until = '-infinity' WHERE token = %s", [self._token]
                )
        self._buckets = []
        self._owned.close()
