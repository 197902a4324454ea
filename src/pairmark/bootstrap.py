"""The only file that chooses real parts and wires them: database, transport, services, and the loops that run them.

One process may run everything; any number of processes may do so on the same database at once.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import structlog

from pairmark.clock import Clock, SystemClock
from pairmark.config import MOST_OPEN_QUESTIONS, ContentAccess
from pairmark.errors import BadRequest, Busy, PairmarkError
from pairmark.events import catalogue as events
from pairmark.judges.question import Judge
from pairmark.judges.spec import JudgeSpec, build_judge, parse_judge
from pairmark.messaging.alive import beating
from pairmark.messaging.consumer import Consumer, Handler
from pairmark.messaging.local import LocalSubscription, LocalTransport
from pairmark.messaging.loop import LONGEST_POLL, Bell, Loop, Step, drain
from pairmark.messaging.relay import Relay
from pairmark.messaging.transport import Subscription, Transport
from pairmark.messaging.wakeups import Wakeups
from pairmark.services.assessment.admission import Admission
from pairmark.services.assessment.callbacks import Callbacks
from pairmark.services.assessment.content import Content
from pairmark.services.assessment.continuation import Continuation
from pairmark.services.assessment.credits import CreditAnswers
from pairmark.services.assessment.fetching import Fetching
from pairmark.services.assessment.finalization import Finalization
from pairmark.services.assessment.intake import Intake
from pairmark.services.assessment.monitor import Monitor
from pairmark.services.assessment.queries import AssessmentQueries
from pairmark.services.assessment.refusal import Refusal
from pairmark.services.assessment.review_queue import ReviewQueue
from pairmark.services.entitlements.accounts import Accounts
from pairmark.services.entitlements.saga import EntitlementsQueries, Saga
from pairmark.services.judging.asker import Asker
from pairmark.services.judging.queries import JudgingQueries
from pairmark.services.judging.queue import Queue
from pairmark.services.judging.verdicts import Verdicts
from pairmark.services.lifecycle.front_desk import FrontDesk
from pairmark.services.lifecycle.phases import LifecycleQueries, Phases
from pairmark.services.results import published
from pairmark.services.results.published import ResultsQueries
from pairmark.storage.connection import Database
from pairmark.storage.schema import SERVICES
from pairmark.storage.texts import TextStore

if TYPE_CHECKING:
    from pairmark.messaging.kafka_connection import KafkaConnection

ROLES = ("assessment", "judging", "relay", "lifecycle", "results", "entitlements", "monitor")
"""What a process can do: each service with all that belongs to it, and two that serve them all."""
STOP_SECONDS = 5.0
"""How long the parts of a process have to finish what they have in hand."""
CLOSE_SECONDS = 3.0
"""How long they then have to give everything back; what is not given back is freed with the process."""

_log = structlog.get_logger(__name__)


class System:
    """All parts of one process, wired over one database."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        heal: Callable[[], None] | None = None,
        transport: Callable[[LocalTransport], Transport] | None = None,
        monitor_interval: float = 300.0,
        kafka: "KafkaConnection | None" = None,
        roles: Collection[str] = ROLES,
        content: ContentAccess | None = None,
        judge: str | None = None,
        most_open: int = MOST_OPEN_QUESTIONS,
    ) -> None:
        self.roles = frozenset(roles)
        self.kafka = kafka
        self.database = database
        self.clock = clock or SystemClock()
        self.bell = Bell()
        self._heal = heal
        self.texts = TextStore(database)
        self.accounts = Accounts(database)
        self.front_desk = FrontDesk(database, self.clock)
        self.finalization = Finalization(database, self.clock)
        self.refusal = Refusal(self.finalization, self.clock)
        self.fetching = self._fetching(content)
        looking = Content(database, self.texts, self.finalization, self.clock, fetched=self.fetching is not None)
        self.continuation = Continuation(database, looking, self.finalization, self.clock)
        self.monitor = Monitor(database, self.continuation, self.finalization, self.clock, interval=monitor_interval)
        self.asker = Asker(database, self.texts, judge_for, Verdicts(database, self.clock), self.clock)
        self.assessment = AssessmentQueries(database)
        self.review = ReviewQueue(database, self.clock)
        self.judging = JudgingQueries(database)
        self.lifecycle = LifecycleQueries(database)
        self.results = ResultsQueries(database)
        self.entitlements = EntitlementsQueries(database)
        self.admission = Admission(database, most_open)
        self._take_road(self._handlers(parse_judge(judge) if judge else None), transport)

    def _take_road(
        self, handlers: dict[str, dict[str, Handler]], transport: Callable[[LocalTransport], Transport] | None
    ) -> None:
        """Choose how events go out and come in: through this database, or over Kafka."""
        local = LocalTransport(
            self.database, {group: list(topics) for group, topics in handlers.items()}, self.bell.ring
        )
        self.transport = transport(local) if transport else self._over(self.kafka) if self.kafka else local
        self.relays = {schema: Relay(self.database, schema, self.transport, self.clock) for schema in SERVICES}
        self.subscriptions = {group: self._subscribe(group, list(handlers[group])) for group in handlers}
        self.topics = {group: tuple(topics) for group, topics in handlers.items()}
        self.consumers = {group: self._consumer(group, handlers[group]) for group in handlers}

    def _consumer(self, group: str, handlers: dict[str, Handler]) -> Consumer:
        subscription = self.subscriptions[group]
        if group != "assessment":
            return Consumer(self.database, group, subscription, handlers, self.clock)
        refused = {events.AssessmentRequested.topic: self.refusal.unusable}
        at_most = self.admission.at_most
        return Consumer(self.database, group, subscription, handlers, self.clock, refused=refused, at_most=at_most)

    def _over(self, kafka: "KafkaConnection") -> Transport:
        from pairmark.messaging.kafka_out import KafkaTransport  # noqa: PLC0415 - only what is used is loaded

        return KafkaTransport(kafka, self.clock)

    def _subscribe(self, group: str, topics: list[str]) -> Subscription:
        if self.kafka is None:
            return LocalSubscription(self.database, group, self.clock)
        from pairmark.messaging.kafka_in import KafkaSubscription  # noqa: PLC0415

        return KafkaSubscription(self.kafka, self.database, group, topics, self.clock)

    def _fetching(self, content: ContentAccess | None) -> Fetching | None:
        """The step that fetches texts of other services, where there is one to fetch them from."""
        if content is None or "assessment" not in self.roles:
            return None
        from pairmark.storage.content_service import ContentService  # noqa: PLC0415 - start-up time

        return Fetching(self.database, self.texts, ContentService(content), self.finalization, self.clock)

    def _handlers(self, judge: JudgeSpec | None) -> dict[str, dict[str, Handler]]:
        """What each service does with each topic it listens to."""
        default = (judge.canonical, judge.digest) if judge else None
        answers = CreditAnswers(self.finalization, self.clock)
        queue, phases, saga = Queue(self.clock), Phases(self.clock), Saga(self.clock)
        return {
            "assessment": {
                events.AssessmentRequested.topic: Intake(self.texts, self.refusal, self.clock, default),
                events.ReserveGranted.topic: answers.granted,
                events.ReserveRefused.topic: answers.refused,
                events.ComparisonResult.topic: Callbacks(self.clock),
            },
            "judging": {
                events.JudgingRequested.topic: queue.requested,
                events.AssessmentCompleted.topic: queue.ended,
                events.AssessmentFailed.topic: queue.ended,
            },
            "lifecycle": {
                events.AssessmentCompleted.topic: phases.completed,
                events.AssessmentFailed.topic: phases.failed,
            },
            "results": {
                events.ResultPublished.topic: published.published,
                events.AssessmentFailed.topic: published.failed,
            },
            "entitlements": {
                events.ReserveRequested.topic: saga.reserve,
                events.ResourceConsumed.topic: saga.consumed,
                events.AssessmentFailed.topic: saga.failed,
            },
        }

    def relay_step(self) -> int:
        """One step of every outbox's relay; what keeps one of them from working holds up no other."""
        done, busy = 0, None
        for relay in self.relays.values():
            try:
                done += relay.step()
            except Busy as error:
                busy = busy or error
        if busy is not None:
            raise busy
        return done

    def steps(self) -> dict[str, Step]:
        """Everything this process does, by name."""
        steps: dict[str, Step] = {"relay": self.relay_step} if "relay" in self.roles else {}
        steps |= {group: consumer.step for group, consumer in self.consumers.items() if group in self.roles}
        steps |= {} if self.fetching is None else {"fetching": self.fetching.step}
        of_roles = {"assessment": ("continuation", self.continuation.step), "judging": ("asker", self.asker.step),
                    "monitor": ("monitor", self.monitor.step)}  # fmt: skip
        return steps | dict(step for role, step in of_roles.items() if role in self.roles)

    def deliver(self) -> int:
        """Move and apply the messages that are there now, on this thread; asks and decides nothing."""
        return sum(step() for name, step in self.steps().items() if name == "relay" or name in self.consumers)

    def drain(self) -> int:
        """Do all that can be done now, on this thread, in a fixed order."""
        return drain(self.steps())

    @property
    def owner(self) -> bool:
        """Whether this process, and not another, consumes for assessment."""
        return self.subscriptions["assessment"].owner

    @contextmanager
    def running(self) -> Iterator[list[Loop]]:
        """Run every step on a loop of its own while the block lasts; a loop's failure is raised at the end."""
        loops = [self._loop(name, step) for name, step in self.steps().items()]
        wakeups = Wakeups(self.database, self.bell, self._concerns_others, self._would_act)
        wakeups.start()
        self.asker.go_on()
        if self.fetching is not None:
            self.fetching.go_on()
        if "monitor" in self.roles:
            self.monitor.resume()
        for loop in loops:
            loop.start()
        self.bell.listen("asker", self.asker.nudge)
        self.bell.ring("relay")  # what was written before anybody listened here
        try:
            with self.alive():
                yield loops
        finally:
            self.asker.stop()
            if self.fetching is not None:
                self.fetching.stop()
            for loop in loops:
                loop.stop()
            wakeups.stop()
            until = self.clock.monotonic() + STOP_SECONDS
            for loop in loops:
                loop.join(timeout=max(until - self.clock.monotonic(), 0.1))

    def alive(self) -> AbstractContextManager[None]:
        """While the block lasts, others see that this process is not stopped, however long one step takes."""
        beats = [one.beat for one in self.subscriptions.values()]
        return beating(beats if self.fetching is None else [*beats, self.fetching.beat])

    def _loop(self, name: str, step: Step) -> Loop:
        waits_itself = self.kafka is not None and name in self.consumers
        rings = _RINGS.get(name, ("relay", "continuation", "asker"))
        return Loop(
            name, self._healing(step), self.bell, rings=rings, longest_poll=0.0 if waits_itself else LONGEST_POLL
        )

    def _concerns_others(self, name: str) -> bool:
        """Whether a part may be at work in another process only: an outbox has one relay at work, a local group one owner."""
        return name == "relay" or name in self.consumers

    def _would_act(self, name: str) -> bool:
        """Whether waking this part here is of use."""
        if name == "relay":
            return any(relay.owner for relay in self.relays.values())
        return name in self.subscriptions and self.subscriptions[name].owner

    def heal(self) -> None:
        """After trouble with the embedded server: start it again if it is gone."""
        if self._heal is not None:
            self._heal()

    def _healing(self, step: Step) -> Step:
        def run() -> int:
            try:
                return step()
            except Busy:
                self.heal()
                raise

        return run

    def close(self) -> None:
        """Give everything back: leases, locks, connections. Safe, and soon done, when the database or Kafka is gone."""
        self.database.hurry(CLOSE_SECONDS / 2)
        parts: list[_Part] = [self.asker, *self.relays.values(), *self.consumers.values()]
        parts += [] if self.fetching is None else [self.fetching]
        closing = [threading.Thread(target=_closed, args=[part], name="pairmark-close", daemon=True) for part in parts]
        for thread in closing:
            thread.start()
        until = time.monotonic() + CLOSE_SECONDS
        for thread in closing:
            thread.join(max(until - time.monotonic(), 0))
        _closed(self.transport)
        self.database.close()


class _Part(Protocol):
    def close(self) -> None: ...


def _closed(part: _Part) -> None:
    try:
        part.close()
    except PairmarkError as error:
        _log.warning("close_incomplete", part=type(part).__name__, reason=str(error))


_RINGS: dict[str, tuple[str, ...]] = {
    "relay": (),
    "assessment": ("relay", "continuation"),
    "judging": ("relay", "asker"),
    "monitor": ("relay",),
    "asker": ("relay",),
    "continuation": ("relay", "fetching"),
    "fetching": ("relay", "continuation"),
}


def judge_for(name: str, digest: str) -> Judge:
    """The judge a batch was asked for; refuses one that would answer differently now."""
    spec = parse_judge(name)
    if digest and spec.digest != digest:
        raise BadRequest(f"The judge {name!r} is no longer the one this batch was begun with.")
    return build_judge(spec)
