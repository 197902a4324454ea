"""G9: a relay that has several claims under way never sends an event of an aggregate before an earlier one."""

import pytest

from pairmark.events.catalogue import PhaseOutcome
from pairmark.messaging import outbox
from pairmark.messaging import relay as relays
from pairmark.messaging.relay import Relay
from pairmark.messaging.transport import Failure, Sent
from support.faults import made


def tell(key, number):
    event = PhaseOutcome(
        event_name="x", entity_id=key, batch_id=key, phase_status="x", processed_essay_ids=[], failed_essay_ids=[]
    )
    return made(event, key, str(number))


class Scripted:
    """A transport that notes what it is given, and acknowledges all but what it is told to lose."""

    delivery_timeout = 1.0
    late_sends_reorder = False

    def __init__(self):
        self.given, self.lose, self.refuse = [], set(), set()

    def publish(self, events):
        self.given.append([one.id for one in events])
        lost = {one.id for one in events} & self.lose
        refused = {one.id: Failure("no", fatal=False) for one in events if one.id in self.refuse}
        self.lose, self.refuse = set(), set()
        return Sent({one.id for one in events} - lost - set(refused), refused)

    def close(self):
        pass


@pytest.fixture
def small_claims(monkeypatch):
    monkeypatch.setattr(relays, "LIMIT", 3)


@pytest.fixture
def sending(database, clock, small_claims):
    transport = Scripted()
    relay = Relay(database, "lifecycle", transport, clock)
    yield relay, transport
    relay.close()


def write(database, *events):
    with database.transaction("lifecycle") as tx:
        outbox.append(tx, events)


def order(transport, events):
    """Numbers of these events as they were first given to the transport."""
    first = [one for given in transport.given for one in given]
    return [first.index(one.id) for one in events if one.id in first]


def test_g9_an_event_with_a_low_number_that_commits_late_is_not_overtaken(database, sending):
    """Its number was given before those of the claim under way; its follower's only afterwards."""
    relay, transport = sending
    early, late = tell("k", 1), tell("k", 2)
    slow = database.connect("lifecycle")
    slow.autocommit = False
    outbox.append(slow, [early])
    write(database, *(tell(f"other-{number}", 1) for number in range(3)))
    claim, claims = relay._claim, []

    def claiming(*words):
        claims.append(words)
        if len(claims) == 2:  # the first is under way
            slow.commit()
            write(database, late)
        return claim(*words)

    relay._claim = claiming
    while relay.step():
        pass
    slow.close()
    found = order(transport, [early, late])
    assert len(found) == 2
    assert found == sorted(found)


@pytest.mark.parametrize("how", ["lose", "refuse"])
def test_g9_what_follows_an_event_that_did_not_arrive_stays_behind_claims_later(database, sending, clock, how):
    relay, transport = sending
    events = [tell(key, number) for number, key in enumerate("kabcdekfg")]
    write(database, *events)
    setattr(transport, how, {events[0].id})
    relay.step()
    assert events[6].id not in {one for given in transport.given for one in given}
    for _ in range(4):
        clock.advance(5)
        relay.step()
    arrived = [one for given in transport.given[1:] for one in given]
    assert arrived.index(events[0].id) < arrived.index(events[6].id)
