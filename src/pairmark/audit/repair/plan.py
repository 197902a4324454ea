"""The plan of a repair: the very statements that will run, the locks they take, the rows they touch, and how to undo each."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from pairmark.audit.repair import counting, guard, index, quarantine, state
from pairmark.audit.repair.counting import Counts
from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.plan_b import plan_b
from pairmark.audit.repair.preflight import look
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target, find
from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.clock import SystemClock
from pairmark.errors import BadRequest

BATCH_SECONDS = 0.053
"""Moving 5,000 rows, measured on 2 cores."""
BUILD_SCANS = 3
"""A concurrent build reads the table twice and sorts: about this many times as long as counting by key."""
BRIEF = "SHARE ROW EXCLUSIVE on the table for milliseconds; waits at most the lock timeout, then lets writers pass and tries again"
BESIDE = "SHARE UPDATE EXCLUSIVE on the table: readers and writers go on, other DDL and vacuum wait"
OWN = "none on the table: only new side tables"


@dataclass(frozen=True)
class Step:
    """One step. `repeated`: how often its last statement runs. `seconds`: an estimate."""

    name: str
    purpose: str
    statements: tuple[str, ...]
    locks: str
    rows: int = 0
    seconds: float = 0.0
    repeated: int = 1
    undo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a repair would do, and what was counted and found beforehand. `digest` tells this plan from others, not these counts.

    `counts`: None where what is in the way prevents even counting.
    """

    source: str
    table: str
    key: tuple[str, ...]
    condition: str | None
    keep: str
    guard: str
    counts: Counts | None
    obstacles: tuple[Obstacle, ...]
    steps: tuple[Step, ...]
    digest: str
    enforced_by: str | None
    unfinished: str | None
    plan_b: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    target: Target | None = field(default=None, compare=False)

    @property
    def refused(self) -> bool:
        """Whether something is in the way."""
        return any(one.refuses for one in self.obstacles)

    @property
    def excess(self) -> int:
        """Rows that would go into quarantine."""
        return self.counts.excess if self.counts else 0

    @property
    def nothing_to_do(self) -> bool:
        """Whether the table is as a repair would leave it."""
        return self.enforced_by is not None and not self.excess and self.unfinished is None and not self.refused

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        told = {name: value for name, value in vars(self).items() if name != "target"}
        return told | {
            "counts": self.counts.as_dict() if self.counts else None,
            "obstacles": [one.as_dict() for one in self.obstacles],
            "steps": [asdict(one) for one in self.steps],
            "refused": self.refused,
            "nothing_to_do": self.nothing_to_do,
        }


def make_plan(request: Request) -> Plan:
    """Look and count, in read-only transactions; nothing is written anywhere."""
    address = PostgresAddress.at(request.source)
    with open_session(request, address) as session:
        session.set("default_transaction_read_only", "on")
        return plan_within(session, request, find(session, request, address.table))


def open_session(request: Request, address: PostgresAddress) -> Session:
    """A connection with the limits that were asked for."""
    return Session(address, lock_timeout=request.lock_timeout, statement_timeout=request.statement_timeout)


def plan_within(session: Session, request: Request, target: Target) -> Plan:
    """The plan for a table that was found."""
    clock = SystemClock()
    obstacles = tuple(look(session, target, request))
    begun = clock.monotonic()
    counts = _counted(session, target, request, obstacles)
    seconds = clock.monotonic() - begun
    steps = tuple(_steps(session, target, request, counts, seconds)) if counts else ()
    recorded = state.read(session, target)
    digest = digest_of(target, request, steps)
    if recorded and recorded.unfinished and recorded.digest != digest:
        obstacles = (_other_plan(target, recorded.digest), *obstacles)
    return Plan(
        source=session.shown,
        table=target.spoken,
        key=target.key,
        condition=target.condition,
        keep=request.keep,
        guard=request.guard,
        counts=counts,
        obstacles=obstacles,
        steps=steps,
        digest=digest,
        enforced_by=_enforced_by(session, target),
        unfinished=recorded.step if recorded and recorded.unfinished else None,
        plan_b=tuple(plan_b(target)) if any(one.refuses for one in obstacles) else (),
        notes=tuple(_notes(target, request, counts)) if counts else (),
        target=target,
    )


def _counted(session: Session, target: Target, request: Request, obstacles: tuple[Obstacle, ...]) -> Counts | None:
    try:
        with session.reading():
            return counting.count(session, target, request)
    except BadRequest:
        if any(one.refuses for one in obstacles):
            return None
        raise


def digest_of(target: Target, request: Request, steps: tuple[Step, ...]) -> str:
    """16 hex digits over table, key, and every statement that changes something; the size of a batch may differ."""
    fixed = [step.statements for step in steps if step.name not in ("lookup", "tidy", "quarantine")]
    listing = quarantine.listing(target, request.keep)
    told = json.dumps([target.spoken, target.oid, target.key, target.condition, target.written, listing, *fixed])
    return sha256(told.encode()).hexdigest()[:16]


def _steps(session: Session, target: Target, request: Request, counts: Counts, seconds: float) -> Iterator[Step]:
    build = BUILD_SCANS * seconds
    own = index.finds_facts(session, target) is None
    drop = index.dropping(target, target.bare("lookup"))
    yield Step("prepare", "side tables for the quarantine, the work list and the state of this repair",
               (state.making(target), *quarantine.making(target)), OWN,
               undo=quarantine.removing(target, with_rows=True))  # fmt: skip
    if own:
        yield Step("lookup", "an index by which the guard finds a fact without reading the whole table",
                   (index.looking_up(target),), BESIDE, counts.concerned, build, undo=(drop,))  # fmt: skip
    yield Step("guard", "a temporary trigger: no new duplicate comes in from here on",
               (guard.function(target, request.guard), *guard.placing(target)), BRIEF, undo=guard.removing(target))  # fmt: skip
    yield Step(
        "probe", "look twice whether any duplicates still appear", (), "none", counts.rows, 2 * seconds + request.probe
    )
    batches = -(-counts.excess // request.batch)
    yield Step("quarantine", "move duplicates into the side table, batch by batch, until a recount finds none",
               (quarantine.listing(target, request.keep), quarantine.batch(target, request.batch)),
               "row locks on the rows of one batch; rows that are in use are skipped and taken in a later round",
               counts.excess, 2 * seconds + batches * BATCH_SECONDS, batches,
               (index.dropping(target, target.index), quarantine.restoring(target, request.batch, target.writable)))  # fmt: skip
    yield Step("build", "the unique index; an invalid one is dropped and built again", (index.building(target),), BESIDE,
               counts.concerned, build, undo=(index.dropping(target, target.index),))  # fmt: skip
    yield Step("unguard", "take the trigger away, now that the index stands", guard.removing(target),
               BRIEF.replace("SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"))  # fmt: skip
    drops = (*((drop,) if own else ()), *quarantine.removing(target, with_rows=False))
    yield Step("tidy", "drop what only the repair needed; the quarantine stays", drops, BESIDE)
    yield Step("verify", "count once more", (), "none", counts.rows, seconds)


def _enforced_by(session: Session, target: Target) -> str | None:
    if index.is_valid(session, target, target.index):
        return target.index
    return index.already_unique(session, target)


def _other_plan(target: Target, digest: str) -> Obstacle:
    return Obstacle(
        True,
        f"A repair of {target.spoken} by another plan ({digest}) is unfinished.",
        "Give the options of that one, or take it back by --undo.",
    )


def _notes(target: Target, request: Request, counts: Counts) -> Iterator[str]:
    columns = ", ".join(target.key)
    yield f"The key compares stored values of {columns} exactly: texts that differ in blanks or case are different facts."
    if counts.nulls:
        yield f"{counts.nulls:,} rows have a NULL in the key. NULL is equal to nothing: they stay, and more are accepted."
    if counts.sent_again:
        yield (f"Of {counts.sent_again:,} facts an unpublished row would stay although another was published: a relay would "
               "publish it again. --keep published keeps the published one.")  # fmt: skip
    if request.guard == "divert":
        yield "While the guard stands, an INSERT of a fact that is there succeeds with 0 rows (RETURNING gives none)."
    else:
        yield "While the guard stands, an INSERT of a fact that is there fails with SQLSTATE 23505."
    yield "Once the index stands, writers need ON CONFLICT DO NOTHING, or an answer to SQLSTATE 23505."
