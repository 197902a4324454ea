"""Recording judges' answers through the real consumer: inbox, effect and commit for each set of 100, from the local transport."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any
from uuid import UUID

import pytest

from pairmark.bootstrap import System
from pairmark.events.catalogue import ComparisonResult
from pairmark.messaging.consumer import Consumer
from pairmark.messaging.transport import NO_LIMITS, Delivery, Stored, Subscription
from pairmark.services.assessment.callbacks import RECORD, Callbacks
from support.asked import asked_batches, callback

pytestmark = pytest.mark.benchmark

SET = 100
PLAIN_INBOX = "INSERT INTO inbox (event_id, topic) SELECT * FROM unnest(%b::uuid[], %b::text[]) ON CONFLICT DO NOTHING"
COLUMNS = (
    "batch_id, ordinal, event_id, kind, winner, swapped, judge, provider, model, justification, confidence, "
    "response_time_ms, cost"
)


class InSets:
    """The group's own subscription, a hundred at a time."""

    def __init__(self, inner: Subscription) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def poll(self, limit: int, at_most: Mapping[str, int] = NO_LIMITS) -> list[Delivery]:
        return self._inner.poll(min(limit, SET), at_most)


def test_callbacks_recorded(record, durable):
    per_callback(durable, 100, 1_000)  # connections and prepared statements
    sizes = [(per_callback(durable, 100, 1_000), per_callback(durable, 5_000, 50_000)) for _ in range(3)]
    small, large = median(one for one, _ in sizes), median(one for _, one in sizes)
    rates, bare, narrow = [], [], []
    for _ in range(5):
        rates.append(1 / per_callback(durable, 200, 2_000))
        bare.append(bare_inserts(durable, 2_000))
        narrow.append(narrow_inserts(durable, 2_000))
    rate, limit, narrowest = median(rates), median(bare), median(narrow)
    what = "callbacks recorded, 200 essays / 2,000 comparisons, sets of 100"
    against = "bare inserts of the same rows (inbox and judgement, same keys) in the same sets"
    record(what, rate, "/s", at_least=8_000, peer=limit, against=against)
    what = "callbacks recorded, share of bare inserts of all their rows"
    record(
        what,
        rate / limit,
        "",
        at_least=0.4,
        against="inbox and judgement rows, keys, checks and foreign key; medians of 5",
    )
    what = "callbacks recorded, share of bare inserts of the judgement rows alone"
    record(
        what,
        rate / narrowest,
        "",
        at_least=0.4,
        against=f"{narrowest:.0f}/s without inbox and foreign key; medians of 5",
    )
    what = "cost of a callback at 50,000 against 1,000"
    record(
        what, large / small, "", between=(0.8, 1.2), against=f"{1e6 * large:.0f} and {1e6 * small:.0f} µs a callback"
    )


def per_callback(system: System, essays: int, count: int) -> float:
    """Seconds for each of `count` callbacks; the batch has asked for all of them before."""
    (batch_id,) = asked_batches(system, 1, essays, count)
    deliver(system, batch_id, count)
    subscription = system.subscriptions["assessment"]
    topic = ComparisonResult.topic
    consumer = Consumer(
        system.database, "assessment", InSets(subscription), {topic: Callbacks(system.clock)}, system.clock
    )
    begin, done = time.perf_counter(), 0
    while done < count:
        done += consumer.step()
    spent = time.perf_counter() - begin
    batch = system.assessment.batch(batch_id)
    assert batch is not None
    assert (batch.answered, batch.counted) == (count, count)
    return spent / count


def deliver(system: System, batch_id: UUID, count: int) -> None:
    """Put the answers where the local transport puts them."""
    events = [callback(batch_id, ordinal) for ordinal in range(count)]
    for start in range(0, count, 500):
        system.transport.publish(
            [Stored(e.id, e.aggregate_id, e.event_type, e.body, e.headers) for e in events[start : start + 500]]
        )


def bare_inserts(system: System, count: int) -> float:
    """Callbacks per second when their rows go into tables of the same structure with nothing else around.

    Two statements and one commit a set: the inbox rows and the judgements, with the keys, checks and the foreign key of
    the real tables.
    """
    with system.database.connect() as admin:
        admin.execute("DROP TABLE IF EXISTS public.judgement, public.inbox")
        admin.execute("CREATE TABLE public.judgement (LIKE assessment.judgement INCLUDING ALL)")
        admin.execute(
            "ALTER TABLE public.judgement ADD FOREIGN KEY (batch_id, ordinal) REFERENCES assessment.comparison (batch_id, ordinal)"
        )
        admin.execute("CREATE TABLE public.inbox (LIKE assessment.inbox INCLUDING ALL)")
        rows = admin.execute(
            f"SELECT {COLUMNS} FROM assessment.judgement ORDER BY seq DESC LIMIT %s", [count]
        ).fetchall()
        sets = [
            [list(column) for column in zip(*rows[start : start + SET], strict=True)] for start in range(0, count, SET)
        ]
        now = system.clock.now()
        admin.execute("SET search_path = public")
        begin = time.perf_counter()
        for columns in sets:
            with admin.transaction():
                admin.execute(PLAIN_INBOX, [columns[2], [ComparisonResult.topic] * len(columns[2])])
                admin.execute(RECORD, [True, now, *columns])
        return count / (time.perf_counter() - begin)


def narrow_inserts(system: System, count: int) -> float:
    """The judgements alone, without the foreign key: the narrowest reading of "the same rows"."""
    with system.database.connect() as admin:
        admin.execute("DROP TABLE IF EXISTS public.judgement")
        admin.execute("CREATE TABLE public.judgement (LIKE assessment.judgement INCLUDING ALL)")
        rows = admin.execute(
            f"SELECT {COLUMNS} FROM assessment.judgement ORDER BY seq DESC LIMIT %s", [count]
        ).fetchall()
        now = system.clock.now()
        admin.execute("SET search_path = public")
        begin = time.perf_counter()
        for start in range(0, count, SET):
            admin.execute(
                RECORD, [True, now, *(list(column) for column in zip(*rows[start : start + SET], strict=True))]
            )
        return count / (time.perf_counter() - begin)
