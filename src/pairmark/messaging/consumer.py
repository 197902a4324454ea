"""A consumer applies each event once: the inbox rows and the effects of a whole set commit in one transaction (G5).

A set that fails is taken apart until the message that cannot be handled is found; it is held, everything else goes on (G10).
Messages are acknowledged only after the commit.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog

from pairmark.clock import Clock
from pairmark.errors import BrokenData, Busy
from pairmark.messaging import held
from pairmark.messaging.crashes import CrashLog
from pairmark.messaging.messages import Message, Unusable, quarantine, read
from pairmark.messaging.transport import NO_LIMITS, Delivery, Subscription
from pairmark.storage import faults
from pairmark.storage.connection import Database, Tx, execute

Handler = Callable[[Tx, Sequence[Any]], None]
"""Applies messages of one topic, in order, inside the transaction it is given."""

Refused = Callable[[Tx, Sequence[Unusable]], None]
"""Answers messages of one topic that cannot be used, inside the transaction in which they are set aside."""

LIMIT = 500
HELD_CHECK_SECONDS = 0.5
INBOX = """
WITH e AS MATERIALIZED (
    SELECT i, t, EXISTS (SELECT FROM held_message h WHERE h.event_key = k AND h.topic = t) AS waits
    FROM unnest(%b::uuid[], %b::text[], %b::text[]) AS e (i, t, k)),
taken AS (INSERT INTO inbox (event_id, topic) SELECT i, t FROM e WHERE NOT waits ON CONFLICT DO NOTHING RETURNING event_id)
SELECT event_id, false FROM taken UNION ALL SELECT i, true FROM e WHERE waits
"""
"""One look decides who is new and who waits: the held message may be gone by a second one, and its follower would be neither."""

_log = structlog.get_logger(__name__)


class Consumer:
    """One group's consumer: a service's schema, its handlers by topic, and the way in."""

    def __init__(
        self,
        database: Database,
        schema: str,
        subscription: Subscription,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        refused: Mapping[str, Refused] | None = None,
        at_most: Callable[[], Mapping[str, int]] = lambda: NO_LIMITS,
    ) -> None:
        """`at_most`: asked before each poll how many messages of which topics it may bring."""
        self.schema = schema
        self._database = database
        self._subscription = subscription
        self._handlers = handlers
        self._refused = refused or {}
        self._at_most = at_most
        self._clock = clock
        self._crashes = CrashLog(database, schema, subscription)
        self._next_held_check = float("-inf")
        self._term = -1

    def step(self) -> int:
        """Deal with one poll and with held messages whose time has come; returns how many messages that were."""
        deliveries = self._poll()
        done = self._retry_held()
        if not deliveries:
            self._crashes.idle()
            return done
        suspects = self._crashes.suspects()
        wanted = self._without_crashers(deliveries, suspects)
        if suspects and any(delivery.event_id in suspects for delivery in wanted):
            for delivery in wanted:
                self._handle_apart([delivery])
        elif wanted:
            self._handle_apart(wanted)
        self._crashes.finished(deliveries)
        self._subscription.acknowledge(deliveries)
        return done + len(deliveries)

    def _poll(self) -> list[Delivery]:
        deliveries = self._subscription.poll(LIMIT, self._at_most())
        if self._subscription.term != self._term:
            self._crashes.taken_over()
            self._term = self._subscription.term
        return deliveries

    def close(self) -> None:
        """Leave the group."""
        try:
            self._crashes.close()
        finally:
            self._subscription.close()

    def _handle_apart(self, deliveries: Sequence[Delivery]) -> None:
        """Handle a set; when it fails, aggregate by aggregate; when that fails, message by message."""
        self._crashes.starting(deliveries)
        try:
            self._apply(deliveries)
            return
        except Busy:
            raise
        except Exception as error:
            reason = _reason(error)
        keys = list(dict.fromkeys(delivery.key for delivery in deliveries))
        if len(keys) > 1:
            for key in keys:
                self._handle_apart([delivery for delivery in deliveries if delivery.key == key])
        elif len(deliveries) > 1:
            for delivery in deliveries:
                self._handle_apart([delivery])
        else:
            _log.warning("message_held", group=self.schema, event_id=str(deliveries[0].event_id), reason=reason)
            with self._database.transaction(self.schema) as tx:
                held.hold(tx, deliveries, 1, reason, self._clock.now())

    def _apply(self, deliveries: Sequence[Delivery]) -> None:
        """One transaction: inbox, effects, and what cannot be used."""
        read_all = [read(delivery) for delivery in deliveries]
        unusable = [item for item in read_all if isinstance(item, Unusable)]
        messages = [item for item in read_all if isinstance(item, Message)]
        with self._database.transaction(self.schema) as tx:
            if unusable:
                self._set_aside(tx, unusable)
            fresh = self._receive(tx, messages)
            for topic, run in groupby(fresh, key=lambda message: message.topic):
                self._handlers[topic](tx, list(run))
            faults.reach(f"{self.schema}.inside_inbox")

    def _set_aside(self, tx: Tx, unusable: Sequence[Unusable]) -> None:
        quarantine(tx, unusable)
        for topic, refused in self._refused.items():
            if of_topic := [one for one in unusable if one.delivery.topic == topic]:
                refused(tx, of_topic)

    def _receive(self, tx: Tx, messages: Sequence[Message]) -> list[Message]:
        """Write inbox rows; returns the messages that are new here and not waiting behind a held one."""
        if not messages:
            return []
        new, waiting = self._write_inbox(tx, messages)
        if len(new) == len(messages):
            return list(messages)
        behind = [message.delivery for message in messages if message.event_id in waiting]
        if behind:
            held.hold(tx, behind, 0, "waits behind a held message", self._clock.now())
        fresh = []
        for message in messages:
            if message.event_id in new:
                new.discard(message.event_id)
                fresh.append(message)
        return fresh

    @staticmethod
    def _write_inbox(tx: Tx, messages: Sequence[Message]) -> tuple[set[UUID], set[UUID]]:
        """Ids that are new here, in one order for all writers, and those that wait behind a held message instead."""
        fields = {message.event_id: (message.topic, message.key) for message in messages}
        rows = sorted(fields.items(), key=lambda row: row[0].int)
        ids, topics, keys = [row[0] for row in rows], [row[1][0] for row in rows], [row[1][1] for row in rows]
        told = execute(tx, INBOX, [ids, topics, keys])
        return {one for one, waits in told if not waits}, {one for one, waits in told if waits}

    def _retry_held(self) -> int:
        """Try held messages again, one at a time, each in its own transaction."""
        if not self._subscription.owner or self._clock.monotonic() < self._next_held_check:
            return 0
        self._next_held_check = self._clock.monotonic() + HELD_CHECK_SECONDS
        ready = held.due(self._database, self.schema, self._clock.now(), LIMIT)
        for delivery, attempts in ready:
            self._retry(delivery, attempts + 1)
        if ready:
            self._crashes.starting([])
            self._next_held_check = float("-inf")
        return len(ready)

    def _retry(self, delivery: Delivery, attempt: int) -> None:
        if not self._without_crashers([delivery], self._crashes.suspects()):
            return
        self._crashes.starting([delivery])
        try:
            message = read(delivery)
            if isinstance(message, Unusable):
                raise BrokenData(message.cause)
            with self._database.transaction(self.schema) as tx:
                if held.release(tx, delivery.event_id) and held.receive(tx, delivery):
                    self._handlers[message.topic](tx, [message])
            self._crashes.finished([delivery])
        except Busy:
            raise
        except Exception as error:
            with self._database.transaction(self.schema) as tx:
                held.failed_again(tx, delivery, attempt, _reason(error), self._clock.now())

    def _without_crashers(self, deliveries: Sequence[Delivery], suspects: Mapping[UUID, int]) -> Sequence[Delivery]:
        """Set aside messages that ended the process again and again while being handled; returns the others."""
        if not suspects:
            return deliveries
        wanted = []
        for delivery in deliveries:
            crashes = suspects.get(delivery.event_id, 0)
            if crashes < held.MAX_ATTEMPTS:
                wanted.append(delivery)
                continue
            with self._database.transaction(self.schema) as tx:
                held.bury(tx, delivery, crashes, f"the process ended {crashes} times while handling it")
            self._crashes.cleared(delivery.event_id)
        return wanted


def _reason(error: Exception) -> str:
    """Why, in words that PostgreSQL can hold."""
    return f"{type(error).__name__}: {error}".replace("\x00", "")[:500]
