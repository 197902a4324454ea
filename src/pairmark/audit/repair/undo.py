"""The opposite way: guard and index go, quarantined rows come back, side tables are dropped. Its plan comes first."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from pairmark.audit.repair import guard, index, quarantine, state
from pairmark.audit.repair.apply import alone
from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.plan import BESIDE, BRIEF, Step, open_session
from pairmark.audit.repair.request import PARTS_OF_UNDO, Request
from pairmark.audit.repair.result import agree
from pairmark.audit.repair.session import Listener, Session, patiently
from pairmark.audit.repair.target import Target, find
from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.audit.sources.statements import literal
from pairmark.errors import BadRequest

INSERT_TRIGGERS = """
SELECT tgname FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 <> 0 AND tgname <> %s
ORDER BY 1
"""
SIDE_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
SECONDS_OF_BATCH = 0.1


@dataclass(frozen=True)
class UndoPlan:
    """What an undo would do. `held`: quarantined rows. `unpublished`: those of them a relay would send once they are back."""

    source: str
    table: str
    parts: tuple[str, ...]
    held: int
    unpublished: int | None
    obstacles: tuple[Obstacle, ...]
    steps: tuple[Step, ...]
    digest: str
    notes: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether something is in the way."""
        return any(one.refuses for one in self.obstacles)

    @property
    def nothing_to_do(self) -> bool:
        """Whether no trace of a repair is there."""
        return not self.steps

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self) | {"refused": self.refused, "nothing_to_do": self.nothing_to_do}


@dataclass(frozen=True)
class UndoResult:
    """What an undo did: rows that came back, and those still held in quarantine."""

    table: str
    restored: int
    held: int

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def plan_undo(request: Request, parts: Sequence[str] = PARTS_OF_UNDO[:3]) -> UndoPlan:
    """Look at what a repair of this table left; nothing is written."""
    address = PostgresAddress.at(request.source)
    with open_session(request, address) as session:
        session.set("default_transaction_read_only", "on")
        return _plan(session, request, find(session, request, address.table), parts)


def undo(
    request: Request, listener: Listener, parts: Sequence[str] = PARTS_OF_UNDO[:3], *, digest: str | None = None
) -> UndoResult:
    """Take a repair back, or what there is of it; may be called again until it is done."""
    address = PostgresAddress.at(request.source)
    with open_session(request, address) as session:
        target = find(session, request, address.table)
        patiently(lambda: alone(session, target), request.patience, "The undo")
        plan = _plan(session, request, target, parts)
        agree(plan, digest)
        restored = 0
        for step in plan.steps:
            listener.step(step.name, step.purpose)
            listener.point(f"undo {step.name}: begun")
            restored += _take(session, request, target, step, plan.held, listener)
            listener.point(f"undo {step.name}: done")
        return UndoResult(target.spoken, restored, _held(session, target)[0])


def _take(session: Session, request: Request, target: Target, step: Step, held: int, listener: Listener) -> int:
    if step.name == "rows":
        return _restore(session, request, step.statements[0], held, listener)
    with session.lock_limit(request.patience if step.name == "index" else request.lock_timeout):
        for statements in [step.statements] if step.name != "index" else [(one,) for one in step.statements]:
            patiently(
                lambda together=statements: (
                    session.rows(together[0])  # type: ignore[misc]
                    if len(together) == 1
                    else session.together(*together)
                ),
                request.patience,
                f"The step {step.name}",
            )
    if step.name != "tables" and state.read(session, target) is not None:
        state.record(session, target, state.UNDONE)
    return 0


def _restore(session: Session, request: Request, statement: str, held: int, listener: Listener) -> int:
    done = 0
    while True:
        moved = int(patiently(lambda: session.one(statement), request.patience, "Bringing rows back"))
        if moved == 0:
            return done
        done += moved
        listener.progress("rows brought back", done, held)
        listener.point("undo rows: batch")


def _plan(session: Session, request: Request, target: Target, parts: Sequence[str]) -> UndoPlan:
    unknown = [part for part in parts if part not in PARTS_OF_UNDO]
    if unknown:
        raise BadRequest(f"{unknown[0]} is no part of an undo.", remedy=f"Give some of {','.join(PARTS_OF_UNDO)}.")
    held, unpublished = _held(session, target)
    steps = tuple(_steps(session, request, target, parts, held))
    told = json.dumps([target.spoken, *[step.statements for step in steps]])
    return UndoPlan(
        source=session.shown,
        table=target.spoken,
        parts=tuple(parts),
        held=held,
        unpublished=unpublished,
        obstacles=tuple(_obstacles(session, request, target, parts, held)),
        steps=steps,
        digest=sha256(told.encode()).hexdigest()[:16],
        notes=tuple(_notes(parts, unpublished)),
    )


def _held(session: Session, target: Target) -> tuple[int, int | None]:
    side = target.beside("quarantine")
    if not session.one("SELECT to_regclass(%s) IS NOT NULL", [side]):
        return 0, None
    unpublished = f"count(*) FILTER (WHERE NOT {target.published})" if target.published else "NULL"
    held, unsent = session.rows(f"SELECT count(*), {unpublished} FROM {side}")[0]
    return int(held), unsent


def _steps(session: Session, request: Request, target: Target, parts: Sequence[str], held: int) -> Iterator[Step]:
    recorded = session.one("SELECT to_regclass(%s) IS NOT NULL", [target.beside("quarantine")])
    if "guard" in parts and session.one(guard.standing(target)):
        yield Step("guard", "take the guard away", guard.removing(target), BRIEF.replace("SHARE ROW", "ACCESS"))
    names = [
        name for name in (target.index, target.bare("lookup")) if index.is_valid(session, target, name) is not None
    ]
    if "index" in parts and names:
        yield Step(
            "index", "drop the indexes of the repair", tuple(index.dropping(target, one) for one in names), BESIDE
        )
    if "rows" in parts and held:
        there = {row[0] for row in session.rows(SIDE_COLUMNS, [target.beside("quarantine")])}
        columns = [name for name in target.writable if name in there]
        batches = -(-held // request.batch)
        yield Step("rows", "bring quarantined rows back, batch by batch",
                   (quarantine.restoring(target, request.batch, columns),), "ROW EXCLUSIVE, as every insert", held,
                   batches * SECONDS_OF_BATCH, batches)  # fmt: skip
    if "tables" in parts and recorded:
        others = session.one(f"SELECT count(*) FROM {target.state} WHERE repair <> %s", [target.digest])
        forget = (
            f"DELETE FROM {target.state} WHERE repair = {literal(target.digest)}"
            if others
            else f"DROP TABLE {target.state}"
        )
        yield Step("tables", "drop the side tables and the record of this repair",
                   (*quarantine.removing(target, with_rows=True), forget), "none on the table")  # fmt: skip


def _obstacles(
    session: Session, request: Request, target: Target, parts: Sequence[str], held: int
) -> Iterator[Obstacle]:
    if "rows" in parts and held:
        for part, there in (("guard", session.one(guard.standing(target))),
                            ("index", index.is_valid(session, target, target.index))):  # fmt: skip
            if there and part not in parts:
                yield Obstacle(
                    True, f"Duplicates cannot come back while the {part} stands.", f"Undo {part},rows together."
                )
        for (name,) in session.rows(INSERT_TRIGGERS, [target.oid, guard.trigger(target)]):
            yield Obstacle(not request.accept_triggers, f"The trigger {name} fires for every row that is brought back.",
                           "" if request.accept_triggers else "If that is harmless, add --accept-triggers.")  # fmt: skip
    if "tables" in parts and held and "rows" not in parts:
        yield Obstacle(
            True,
            f"{held:,} rows stand in quarantine and nowhere else.",
            "Undo rows,tables together, or drop it yourself.",
        )


def _notes(parts: Sequence[str], unpublished: int | None) -> Iterator[str]:
    if "rows" in parts and unpublished:
        yield f"{unpublished:,} of the rows that come back are unpublished: a relay will publish them."
    if "rows" in parts:
        yield "Rows that the guard diverted come in, too: the table is then as it would be without the repair."
