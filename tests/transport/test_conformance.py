"""One promise for every road of events: the local one, a real Kafka, and the mock cluster of its client as far as it goes."""

import json
import random
from collections import Counter

from support.faults import consumed, reserve, rows
from support.roads import GROUP, OTHER_GROUP, OTHER_TOPIC, TOPIC, event, orders, send, stored, take, until
from support.sizes import size

KEYS = [f"batch-{number}" for number in range(12)]


def mixture(each):
    """Events of all aggregates on both topics, in the order of their numbers for each of them, otherwise mixed."""
    places = [(topic, key) for topic in (TOPIC, OTHER_TOPIC) for key in KEYS for _ in range(each)]
    random.Random(7).shuffle(places)
    numbers = Counter()
    events = []
    for place in places:
        events.append(event(*place, numbers[place]))
        numbers[place] += 1
    return events


def in_order(came):
    return all(numbers == list(range(len(numbers))) for numbers in orders(came).values())


def test_g9_events_come_in_the_order_of_their_aggregate_and_none_is_lost(road):
    transport, events = road.transport(), mixture(size(8, 80))
    for start in range(0, len(events), 50):
        send(transport, events[start : start + 50])
    came = take(road.subscribe(), len(events))
    assert {one.event_id for one in came} == {one.id for one in events}
    assert in_order(came)


def test_g4_body_headers_and_key_arrive_as_they_were_stored(road):
    wanted = [event(TOPIC, key, 0) for key in KEYS]
    send(road.transport(), wanted)
    came = {one.event_id: one for one in take(road.subscribe(), len(wanted))}
    for one in wanted:
        got = came[one.id]
        assert (got.key, got.topic, got.body, got.flaw) == (one.key, one.topic, one.body, None)
        assert json.loads(got.headers) == json.loads(one.headers)


def test_g4_every_group_gets_every_event_of_its_topics(road):
    wanted = [event(TOPIC, key, 0) for key in KEYS]
    send(road.transport(), [event(OTHER_TOPIC, "a", 0), *wanted])
    assert len(take(road.subscribe(GROUP), len(wanted) + 1)) == len(wanted) + 1
    assert {one.event_id for one in take(road.subscribe(OTHER_GROUP), len(wanted))} == {one.id for one in wanted}


def test_g4_what_is_not_acknowledged_comes_again_the_same_and_what_is_does_not(road):
    events = [event(TOPIC, "a", number) for number in range(6)]
    send(road.transport(), events)
    first, came = road.subscribe(), []
    until(lambda: len(came) == 6, lambda: came.__setitem__(slice(None), first.poll(500)))
    assert [one.event_id for one in came] == [one.id for one in events]
    assert first.poll(500) == came
    first.acknowledge(came[:4])
    assert first.poll(500) == came[4:]
    first.close()
    again = take(road.subscribe(), 2)
    assert [(one.event_id, one.body, one.headers) for one in again] == [
        (one.event_id, one.body, one.headers) for one in came[4:]
    ]


def test_g4_a_member_that_joins_takes_part_and_nothing_is_lost_or_overtaken(road):
    transport, events = road.transport(), mixture(size(6, 60))
    half = len(events) // 2
    send(transport, events[:half])
    members = [road.subscribe()]
    came = take(members[0], half)
    members.append(road.subscribe())
    send(transport, events[half:])
    shares = Counter()

    def receive():
        for number, member in enumerate(members):
            got = member.poll(20)
            came.extend(got)
            shares[number] += len(got)
            if got:
                member.acknowledge(got)
        if road.name == "local" and shares[0] > 10:
            members[0].close()  # on this road a group has one member at work

    until(lambda: {one.event_id for one in came} == {one.id for one in events}, receive)
    assert in_order(came)


def test_g9_one_member_deals_with_what_is_held_and_another_takes_over(road):
    first, second = road.subscribe(), road.subscribe()
    first.poll(1)
    second.poll(1)
    assert (first.owner, second.owner) == (True, False)
    first.close()
    until(lambda: second.owner, lambda: second.poll(1))


def test_g10_the_seat_of_a_process_is_left_only_when_it_is_gone(road):
    first, second = road.subscribe(), road.subscribe()
    first.poll(1)
    second.poll(1)
    if road.name != "local":  # there, who polls with success has taken the only seat over
        assert second.left([first.seat]) == []
    first.close()
    until(lambda: second.left([first.seat]) == [first.seat], lambda: second.poll(1))


def test_g5_an_event_sent_again_has_its_effect_once(road):
    events = [stored(one) for one in (reserve("a", 9), consumed("a", 7), reserve("b", 3))]
    transport, system = road.transport(), road.system()
    system.accounts.ensure_default()
    entitlements = system.consumers["entitlements"].step
    send(transport, events)
    send(transport, events)
    state = "SELECT batch_id, state, captured FROM entitlements.reservation ORDER BY batch_id"
    wanted = [("a", "closed", 7), ("b", "open", 0)]
    until(lambda: rows(road.database, state) == wanted, entitlements)
    send(transport, [*events, stored(reserve("c", 1))])
    until(lambda: len(rows(road.database, state)) == 3, entitlements)
    assert rows(road.database, state) == [*wanted, ("c", "open", 0)]
    assert rows(road.database, "SELECT count(*) FROM entitlements.ledger WHERE kind = 'capture'") == [(1,)]


def test_g10_what_nobody_can_read_is_kept_and_holds_up_nobody(road):
    system = road.system()
    system.accounts.ensure_default()
    for key, body in (("bad", "{not json"), ("worse", '{"event_id": 5}'), ("worst", "null")):
        road.raw(key, body)
    send(road.transport(), [stored(reserve("good", 2))])
    kept = "SELECT event_key, seen FROM entitlements.quarantine ORDER BY event_key"
    until(
        lambda: (
            rows(road.database, "SELECT batch_id FROM entitlements.reservation") == [("good",)]
            and rows(road.database, kept) == [("bad", 1), ("worse", 1), ("worst", 1)]
        ),
        system.consumers["entitlements"].step,
    )


def test_g10_what_cannot_be_handled_is_held_and_tried_again_on_every_road(road):
    system = road.system()
    system.accounts.ensure_default()
    send(road.transport(), [stored(consumed("late", 3)), stored(reserve("other", 2))])
    held = "SELECT event_key, attempts FROM entitlements.held_message"
    entitlements = system.consumers["entitlements"].step
    until(lambda: rows(road.database, held) == [("late", 1)], entitlements)
    send(road.transport(), [stored(reserve("late", 5))])
    state = "SELECT batch_id, state, captured FROM entitlements.reservation ORDER BY batch_id"
    until(lambda: rows(road.database, state) == [("late", "closed", 3), ("other", "open", 0)], entitlements)
    assert rows(road.database, held) == []
