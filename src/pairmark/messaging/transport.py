"""What the relay and the consumers need of a transport, whether local tables or Kafka carry the events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

NO_LIMITS: Mapping[str, int] = {}
MAX_BODY = 24_000_000
"""Characters; longer messages are set aside unread."""
MAX_ANSWER = 1_000_000
"""Characters of one answer of a judge, which comes from outside."""
MAX_REQUEST = MAX_BODY // 3
"""Characters; longer requests are refused, since a result says up to twice as much of each essay as its request does."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An outbox row on its way out: `body` and `headers` are sent as they were stored."""

    id: UUID
    key: str
    topic: str
    body: str
    headers: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed to a consumer group; `position` is what its subscription acknowledges it by.

    `flaw` says why the bytes that came are no text that could be kept as it is; `body` then holds what could be.
    """

    position: Any
    event_id: UUID
    topic: str
    key: str
    body: str
    headers: str
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event was not taken. A `fatal` one will not heal by itself.

    `shared`: it concerns whatever goes the same way (a topic that is missing), so trying in vain says nothing about the event.
    """

    reason: str
    fatal: bool
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a set: events acknowledged, and events refused. All others may or may not have arrived, and go again."""

    acknowledged: set[UUID] = field(default_factory=set)
    failures: dict[UUID, Failure] = field(default_factory=dict)


class Transport(Protocol):
    """The way out. `Busy` means that the transport as a whole is unreachable."""

    delivery_timeout: float
    late_sends_reorder: bool
    """Whether a send that its owner began before it died may still put events behind newer ones. Then a new owner waits."""

    def publish(self, events: Sequence[Stored]) -> Sent:
        """Send events in this order. After one that is refused, no later event of its aggregate and topic is sent."""
        ...

    def close(self) -> None:
        """Let go of what is held; nothing is on its way any more afterwards."""
        ...


class Subscription(Protocol):
    """The way in for one consumer group."""

    seat: UUID
    """Under this name the process writes down what it has in hand."""
    joined: bool
    """Whether it has been told what its share is; a poll may find nothing before only because it has not."""
    wait_seconds: float
    """How long a poll waits by itself for a first message."""

    @property
    def owner(self) -> bool:
        """Whether this process, and no other, deals with what the group holds back."""
        ...

    @property
    def term(self) -> int:
        """Grows whenever messages may come that another process had in hand before."""
        ...

    def left(self, seats: Sequence[UUID]) -> list[UUID]:
        """Which of these seats no process sits on any more."""
        ...

    def poll(self, limit: int, at_most: Mapping[str, int] = NO_LIMITS) -> list[Delivery]:
        """The next unacknowledged messages in order; empty when there are none or another process owns the group.

        Of a topic in `at_most` no more than so many; of one with 0 nothing is fetched either, and it waits where it is.
        """
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These messages are dealt with; call it only after the commit that did so."""
        ...

    def beat(self) -> None:
        """Show that this process is not stopped; another thread than the one that polls may call it."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


def within(deliveries: Sequence[Delivery], at_most: Mapping[str, int]) -> list[Delivery]:
    """Those of the deliveries that may be handed out: of a topic in `at_most` the first so many."""
    left, found = dict(at_most), []
    for delivery in deliveries:
        if delivery.topic in left:
            left[delivery.topic] -= 1
            if left[delivery.topic] < 0:
                continue
        found.append(delivery)
    return found
