"""The self-check of our own tables: is any event there twice, anything lost on its way, anything charged twice or wrongly?

Reads every schema read-only and joins outside SQL, so that it works as well when each service has a database of its own. It
trusts no guard and no counter: it counts rows, so it finds what a missing guard let through (G12).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pairmark.events import catalogue as events
from pairmark.storage.connection import Database, Tx, execute
from pairmark.storage.schema import SERVICES

ONCE_PER_AGGREGATE = [
    kind.topic
    for kind in (
        events.AssessmentRequested,
        events.ReserveRequested,
        events.ReserveGranted,
        events.ReserveRefused,
        events.AssessmentCompleted,
        events.ResultPublished,
        events.ResourceConsumed,
        events.AssessmentFailed,
        events.PhaseOutcome,
    )
]

REPEATED = """
SELECT aggregate_id, event_type, count(*) FROM {schema}.event_outbox
WHERE event_type = ANY(%(once)s) AND (%(ids)s::text[] IS NULL OR aggregate_id = ANY(%(ids)s))
GROUP BY 1, 2 HAVING count(*) > 1
UNION ALL
SELECT aggregate_id, event_type, count(*) FROM {schema}.event_outbox
WHERE event_type <> ALL(%(once)s) AND (%(ids)s::text[] IS NULL OR aggregate_id = ANY(%(ids)s))
GROUP BY 1, 2, coalesce(event_data->'data'->>'request_id', event_data->'data'->'questions'->0->>0),
    coalesce(event_data->'data'->'request_metadata'->>'attempt', event_data->'data'->>'attempt') HAVING count(*) > 1
"""
TOLD = """
SELECT aggregate_id, topic, event_type, count(*) FROM {schema}.event_outbox
WHERE (event_type = ANY(%(once)s) OR topic = ANY(%(once)s) OR topic <> event_type)
    AND (%(ids)s::text[] IS NULL OR aggregate_id = ANY(%(ids)s)) GROUP BY 1, 2, 3
"""
WAITING = """
SELECT aggregate_id, count(*) FROM {schema}.event_outbox
WHERE published_at IS NULL AND (%(ids)s::text[] IS NULL OR aggregate_id = ANY(%(ids)s))
    AND created_at <= clock_timestamp() - make_interval(secs => %(under_way)s) GROUP BY 1
"""
STRANDED = """
SELECT event_key, count(*) FROM (SELECT event_key FROM {schema}.held_message UNION ALL SELECT event_key FROM {schema}.dead_letter) m
WHERE %(ids)s::text[] IS NULL OR event_key = ANY(%(ids)s) GROUP BY 1
"""
UNUSABLE = """
SELECT event_key, count(*) FROM {schema}.quarantine
WHERE topic <> %(answers)s AND event_key IS NOT NULL AND (%(ids)s::text[] IS NULL OR event_key = ANY(%(ids)s)) GROUP BY 1
"""
"""An answer that is none is lost to nobody: its comparison stays open and is asked again."""
REFUSED = "SELECT entity_id FROM assessment.batch WHERE stop_reason = 'invalid_request' AND entity_id = ANY(%s)"
"""Requests that nobody can use, and whose senders were told so."""
ENDED = """
SELECT b.id::text, b.status,
    array(SELECT event_type FROM assessment.event_outbox o WHERE o.aggregate_id = b.id::text AND o.event_type = ANY(%(terminal)s)
          UNION SELECT event_type FROM assessment.emitted_fact f WHERE f.batch_id = b.id::text)
FROM assessment.batch b WHERE b.deadline IS NULL AND (%(ids)s::text[] IS NULL OR b.id::text = ANY(%(ids)s))
    AND (%(under_way)s = 0 OR b.finished_at <= clock_timestamp() - make_interval(secs => %(under_way)s))
"""
ANNOUNCED = """
SELECT b.id::text, b.status, count(DISTINCT a.event_type) FROM assessment.batch b JOIN (
    SELECT aggregate_id, event_type FROM assessment.event_outbox
    WHERE event_type = ANY(%(terminal)s) AND (%(ids)s::text[] IS NULL OR aggregate_id = ANY(%(ids)s))
    UNION SELECT batch_id, event_type FROM assessment.emitted_fact WHERE %(ids)s::text[] IS NULL OR batch_id = ANY(%(ids)s)
) a ON a.aggregate_id = b.id::text WHERE b.deadline IS NOT NULL GROUP BY 1, 2
"""
VERDICTS = """
SELECT b.id::text, b.counted, count(DISTINCT j.ordinal) FROM assessment.batch b
LEFT JOIN assessment.judgement j ON j.batch_id = b.id AND j.closing AND j.kind = 'verdict' AND NOT j.reused
WHERE %(ids)s::text[] IS NULL OR b.id::text = ANY(%(ids)s) GROUP BY b.id
"""
TWICE_COUNTED = """
SELECT batch_id::text, count(*) FROM (
    SELECT batch_id, ordinal FROM assessment.judgement WHERE closing AND (%(ids)s::text[] IS NULL OR batch_id::text = ANY(%(ids)s))
    GROUP BY 1, 2 HAVING count(*) > 1) d GROUP BY 1
"""
LEDGER = """
SELECT batch_id, kind, count(*), sum(charged), sum(amount) FROM entitlements.ledger
WHERE batch_id IS NOT NULL AND (%(ids)s::text[] IS NULL OR batch_id = ANY(%(ids)s)) GROUP BY 1, 2
"""
RESERVATIONS = """
SELECT batch_id, state, reserved, captured, released, credits_per_unit FROM entitlements.reservation
WHERE %(ids)s::text[] IS NULL OR batch_id = ANY(%(ids)s)
"""
UNBALANCED = """
SELECT a.kind, a.owner, a.available, coalesce(sum(l.amount), 0) FROM entitlements.account a
LEFT JOIN entitlements.ledger l ON l.account_id = a.id GROUP BY a.id HAVING a.available <> coalesce(sum(l.amount), 0)
"""
OVERDRAWN = "SELECT kind, owner, available FROM entitlements.account WHERE NOT unlimited AND available < 0"


@dataclass
class SelfCheck:
    """What was found; each finding is one sentence. All zero means: nothing twice, nothing lost, nothing charged wrongly."""

    duplicates: int = 0
    lost: int = 0
    charged_twice: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.duplicates or self.lost or self.charged_twice)

    def note(self, kind: str, number: int, sentence: str) -> None:
        """Add `number` findings of one kind."""
        setattr(self, kind, getattr(self, kind) + number)
        self.findings.append(sentence)

    def as_dict(self) -> dict[str, Any]:
        """Plain types for the report."""
        return {
            "duplicates": self.duplicates,
            "lost": self.lost,
            "charged_twice": self.charged_twice,
            "findings": self.findings,
        }


def self_check(database: Database, ids: Sequence[str] | None = None, *, under_way: float = 0.0) -> SelfCheck:
    """Check everything, or only the aggregates in `ids` (batch ids and entity ids).

    Call it when nothing is under way, or say for how many seconds messages may be, by the clock of the database.
    """
    found = SelfCheck()
    scope: dict[str, Any] = {
        "ids": list(ids) if ids is not None else None,
        "once": ONCE_PER_AGGREGATE,
        "answers": events.ComparisonResult.topic,
        "under_way": under_way,
    }
    with ExitStack() as stack:
        at = dict(_snapshots(database, stack))
        _check_messages(at, scope, found)
        terminal = scope | {"terminal": [*events.TERMINAL_COMPLETE, *events.TERMINAL_FAILED]}
        ended = execute(at["assessment"], ENDED, terminal)
        for batch, status, number in execute(at["assessment"], ANNOUNCED, terminal):
            found.note("duplicates", number, f"Batch {batch} is {status}, but {number} ends of it were announced.")
        for batch, number in execute(at["assessment"], TWICE_COUNTED, scope):
            found.note("duplicates", number, f"Batch {batch}: {number} comparisons were counted more than once.")
        _check_ends(at, ended, found)
        _check_credits(at["entitlements"], scope, ended, _check_counters(at["assessment"], scope, found), found)
    return found


def _snapshots(database: Database, stack: ExitStack) -> Iterator[tuple[str, Tx]]:
    """One snapshot of each database. Assessment's is the oldest, so that no service knows less than it told by then."""
    places = database.places([*SERVICES, "transport"]).values()
    for schemas in sorted(places, key=lambda schemas: "assessment" not in schemas):
        tx = stack.enter_context(database.transaction("selfcheck", schemas[0]))
        execute(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        execute(tx, "SELECT")
        yield from ((schema, tx) for schema in schemas)


def event_counts(database: Database, ids: Sequence[str]) -> dict[str, int]:
    """Published events about these aggregates, by type, over all services."""
    counts: dict[str, int] = {}
    for schema in SERVICES:
        with database.transaction("selfcheck", schema) as tx:
            rows = execute(
                tx,
                f"SELECT event_type, count(*) FROM {schema}.event_outbox WHERE aggregate_id = ANY(%s) "  # noqa: S608
                "AND published_at IS NOT NULL GROUP BY 1",
                [list(ids)],
            )
        for event_type, number in rows:
            counts[event_type] = counts.get(event_type, 0) + number
    return dict(sorted(counts.items()))


def _check_messages(at: Mapping[str, Tx], scope: dict[str, Any], found: SelfCheck) -> None:
    told: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for schema in SERVICES:
        tx = at[schema]
        for aggregate, event_type, number in execute(tx, REPEATED.format(schema=schema), scope):
            found.note(
                "duplicates", number - 1, f"{schema}: {number} events {event_type} tell one fact of {aggregate}."
            )
        for aggregate, topic, event_type, number in execute(tx, TOLD.format(schema=schema), scope):
            told[aggregate, topic].append((schema, number))
            if topic != event_type:
                sentence = f"{schema}: {number} events {event_type} of {aggregate} went out on the topic {topic}."
                found.note("duplicates", number, sentence)
        for aggregate, number in execute(tx, WAITING.format(schema=schema), scope):
            found.note("lost", number, f"{schema}: {number} events of {aggregate} were never published.")
        for aggregate, number in execute(tx, STRANDED.format(schema=schema), scope):
            found.note("lost", number, f"{schema}: {number} messages of {aggregate} could not be handled.")
        for aggregate, number in _unusable(tx, schema, scope):
            found.note("lost", number, f"{schema}: {number} messages of {aggregate} could not be used.")
    for (aggregate, topic), tellers in told.items():
        if len(tellers) > 1 and topic in scope["once"]:
            services = ", ".join(schema for schema, _ in tellers)
            sentence = f"{topic} of {aggregate} was told by {len(tellers)} services: {services}."
            found.note("duplicates", sum(number for _, number in tellers) - 1, sentence)
    rows = execute(
        at["transport"],
        "SELECT group_name, event_key, count(*) FROM transport.delivery "
        "WHERE (%(ids)s::text[] IS NULL OR event_key = ANY(%(ids)s)) "
        "AND delivered_at <= clock_timestamp() - make_interval(secs => %(under_way)s) GROUP BY 1, 2",
        scope,
    )
    for group, aggregate, number in rows:
        found.note("lost", number, f"{group}: {number} messages of {aggregate} were not consumed.")


def _unusable(tx: Tx, schema: str, scope: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Messages that nobody can use, by aggregate, but requests whose senders were told so."""
    found = execute(tx, UNUSABLE.format(schema=schema), scope)
    told_so = set[str]()
    if found and schema == "assessment":
        told_so = {row[0] for row in execute(tx, REFUSED, [[row[0] for row in found]])}
    yield from ((aggregate, number) for aggregate, number in found if aggregate not in told_so)


def _check_ends(at: Mapping[str, Tx], ended: Sequence[tuple[Any, ...]], found: SelfCheck) -> None:
    """Every end was announced as what it is, and every listener knows of it."""
    jobs = [row[0] for row in ended]
    phases: dict[str, str] = dict(
        execute(at["lifecycle"], "SELECT job_id, phase FROM lifecycle.batch WHERE job_id = ANY(%s)", [jobs])
    )
    outcomes: dict[str, str] = dict(
        execute(at["results"], "SELECT job_id, kind FROM results.outcome WHERE job_id = ANY(%s)", [jobs])
    )
    for job, status, announced in ended:
        complete = status.startswith("COMPLETE_")
        wanted = set(events.TERMINAL_COMPLETE if complete else events.TERMINAL_FAILED)
        missing, wrong = wanted - set(announced), set(announced) - wanted
        if missing:
            found.note(
                "lost", len(missing), f"Batch {job} is {status} but {', '.join(sorted(missing))} was never written."
            )
        if wrong:
            found.note(
                "duplicates", len(wrong), f"Batch {job} is {status} but also announced {', '.join(sorted(wrong))}."
            )
        if phases.get(job) == "requested" or (job in phases and complete != (phases[job] == "completed")):
            found.note("lost", 1, f"Batch {job} is {status}, but lifecycle sees it as {phases[job]}.")
        if outcomes.get(job) != ("published" if complete else "failed"):
            found.note("lost", 1, f"Batch {job} is {status}, but results has {outcomes.get(job) or 'nothing'}.")


def _check_counters(tx: Tx, scope: dict[str, Any], found: SelfCheck) -> dict[str, int]:
    """Every batch counts the verdicts it has, those taken over aside; returns how many it has."""
    verdicts = {}
    for batch, counted, recorded in execute(tx, VERDICTS, scope):
        verdicts[batch] = recorded
        if counted != recorded:
            kind = "charged_twice" if counted > recorded else "lost"
            sentence = f"Batch {batch} counts {counted} verdicts, but {recorded} are recorded."
            found.note(kind, abs(counted - recorded), sentence)
    return verdicts


def _check_credits(
    tx: Tx, scope: dict[str, Any], ended: Sequence[tuple[Any, ...]], verdicts: Mapping[str, int], found: SelfCheck
) -> None:
    """Each ended batch is settled once, for what was counted; every account equals its ledger."""
    ledger = {(row[0], row[1]): (row[2], row[3], row[4]) for row in execute(tx, LEDGER, scope)}
    for (batch, kind), (number, _, _) in ledger.items():
        if number > 1:
            found.note("charged_twice", number - 1, f"Batch {batch} has {number} ledger rows of kind {kind}.")
    reservations = {row[0]: row[1:] for row in execute(tx, RESERVATIONS, scope)}
    for job, status, _ in ended:
        state, reserved, captured, released, price = reservations.get(job, ("missing", 0, 0, 0, 0))
        due = verdicts.get(job, 0) * price if status.startswith("COMPLETE_") else 0
        charged = ledger.get((job, "capture"), (0, 0, 0))[1]
        if state in {"open", "missing"}:
            found.note("lost", 1, f"Batch {job} is {status}, but its reservation is {state}.")
        elif captured > due or charged > due:
            found.note("charged_twice", 1, f"Batch {job} was charged {max(captured, charged)} credits; {due} are due.")
        elif captured < due or captured != charged or captured + released != reserved:
            found.note(
                "lost",
                1,
                f"Batch {job} was charged {captured} credits and released {released} of {reserved}; {due} are due.",
            )
    for job, (_, reserved, _, released, _) in reservations.items():
        booked = sum(ledger.pop((job, kind), (0, 0, 0))[2] for kind in ("reserve", "capture", "release"))
        if booked != released - reserved:
            found.note(
                "charged_twice", 1, f"Batch {job} holds {reserved - released} credits, but {-booked} were taken for it."
            )
    for (batch, kind), (number, charged, amount) in ledger.items():
        sentence = f"Batch {batch} has {number} ledger rows of kind {kind} ({charged} charged, {amount} booked) and no reservation."
        found.note("charged_twice", number, sentence)
    _check_accounts(tx, found)


def _check_accounts(tx: Tx, found: SelfCheck) -> None:
    for kind, owner, available in execute(tx, OVERDRAWN):
        found.note("charged_twice", 1, f"Account {kind} {owner} is overdrawn: {available}.")
    for kind, owner, available, total in execute(tx, UNBALANCED):
        found.note("charged_twice", 1, f"Account {kind} {owner} shows {available}, but its ledger sums to {total}.")
