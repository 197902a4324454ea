"""Carrying a plan out, step by step. Every step looks at what is there and does only what is missing, so any run can go on.

The order is what makes it safe: nothing is taken out before the guard stands, and the guard goes only once the index is valid.
"""

import time
from collections.abc import Callable

from pairmark.audit.repair import counting, guard, index, state
from pairmark.audit.repair.building import watched
from pairmark.audit.repair.plan import Plan, open_session, plan_within
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.result import Result, agree, measure
from pairmark.audit.repair.session import FIRST_PAUSE, LONGEST_PAUSE, InUse, Listener, Session, patiently
from pairmark.audit.repair.target import Target, find
from pairmark.audit.sources.postgres_address import PostgresAddress
from pairmark.clock import SystemClock
from pairmark.errors import Busy, PairmarkError

LOCKS = 0x70616972
"""Sets our advisory locks apart from those of the application."""
HOLDER = """
SELECT a.pid, left(regexp_replace(a.query, '\\s+', ' ', 'g'), 60) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ROUNDS = 20
"""How often more duplicates may be found, in a listing or by the build, before it is said that they do not end."""


def apply(request: Request, listener: Listener, *, digest: str | None = None) -> Result:
    """Do what the plan says, or go on with it. `digest`: that of the plan a person has read; another one is refused.

    Raises `BadRequest` if something is in the way, and `Busy` if a step did not succeed in time; then the same call goes on.
    """
    address = PostgresAddress.at(request.source)
    with open_session(request, address) as session:
        target = find(session, request, address.table)
        patiently(lambda: alone(session, target), request.patience, "The repair")
        plan = plan_within(session, request, target)
        agree(plan, digest)
        if target.condition:
            session.in_vain(*index.trying(target))
        return _Run(session, target, request, plan, listener).whole()


def alone(session: Session, target: Target) -> None:
    """One run at a time: this lock ends with the session, and a dead run's session with its last statement."""
    if not session.one("SELECT pg_try_advisory_lock(%s, %s)", [LOCKS, int(target.digest[:7], 16)]):
        holder = session.rows(HOLDER, [LOCKS, int(target.digest[:7], 16)])
        who = f"session {holder[0][0]}, at {holder[0][1]!r}" if holder else "another session"
        raise Busy(
            f"another run, or what is left of a killed one, is at work on {target.spoken} ({who}).",
            remedy="Let it end; the same command goes on then.",
        ) from InUse()


class _Run:
    """One run over the steps of a plan."""

    def __init__(self, session: Session, target: Target, request: Request, plan: Plan, listener: Listener) -> None:
        self.session, self.target, self.request, self.plan, self.listener = session, target, request, plan, listener
        self.steps = {one.name: one for one in plan.steps}

    def whole(self) -> Result:
        """All steps; those before the guard's end are left out if the index stands already."""
        before: list[tuple[str, Callable[[], None]]] = [
            ("prepare", self.prepare), ("lookup", self.lookup), ("guard", self.guard), ("probe", self.probe),
            ("quarantine", self.quarantine), ("build", self.build),
        ]  # fmt: skip
        after: list[tuple[str, Callable[[], None]]] = [("unguard", self.unguard), ("tidy", self.tidy)]
        if not self.plan.nothing_to_do:
            for name, action in [*([] if self._stands() and self._known() else before), *after]:
                if name in self.steps:
                    self._take(name, action)
        return self.verify()

    def _take(self, name: str, action: Callable[[], None]) -> None:
        self.listener.step(name, self.steps[name].purpose)
        self.listener.point(f"{name}: begun")
        try:
            action()
        except PairmarkError as error:
            raise type(error)(
                f"At the step {name}: {error.message}", remedy=f"{self._standing()} {error.remedy}"
            ) from error
        self.listener.point(f"{name}: done")
        state.record(self.session, self.target, name)
        self.listener.point(f"{name}: recorded")

    def _standing(self) -> str:
        """What a failed step leaves, for people; says nothing if the server does not answer."""
        try:
            guarded = self.session.one(guard.standing(self.target))
        except PairmarkError:
            return ""
        return (
            "The guard stands, so no new duplicate comes in." if guarded else "No guard stands."
        ) + " `--undo` takes all back."

    def _stands(self) -> bool:
        return bool(index.is_valid(self.session, self.target, self.target.index))

    def _known(self) -> bool:
        return state.read(self.session, self.target) is not None

    def prepare(self) -> None:
        """Side tables and the record of this run, in one transaction."""
        statements = [*self.steps["prepare"].statements, state.beginning(self.target, self.plan.digest)]
        self.session.together(*statements)
        recorded = state.read(self.session, self.target)
        if recorded and "rows_before" not in recorded.numbers:
            state.record(
                self.session, self.target, recorded.step, rows_before=self.plan.counts.rows if self.plan.counts else 0
            )

    def lookup(self) -> None:
        """The index by which the guard looks."""
        name = self.target.bare("lookup")
        if not index.is_valid(self.session, self.target, name):
            self._build(name, self.steps["lookup"].statements[0])

    def guard(self) -> None:
        """Function and trigger in one transaction, whose lock waits for every writer of the table to end."""
        if not self.session.one(guard.standing(self.target)):
            patiently(
                lambda: self.session.together(*self.steps["guard"].statements),
                self.request.patience,
                "Setting the guard",
            )

    def probe(self) -> None:
        """Count twice, with a pause: what grows although the guard stands has slipped past it."""
        recorded = state.read(self.session, self.target)
        if recorded is None or "slipped" in recorded.numbers:
            return
        before = counting.excess(self.session, self.target)
        time.sleep(self.request.probe)
        slipped = max(counting.excess(self.session, self.target) - before, 0)
        state.record(self.session, self.target, recorded.step, slipped=slipped)

    def quarantine(self) -> None:
        """Rounds of listing and moving, until a listing finds nothing; rows that others hold come in a later round."""
        clock, wait, rounds = SystemClock(), FIRST_PAUSE, 0
        moved_at = clock.monotonic()
        while left := self._listed() or self._list():
            if self._move(left):
                moved_at, wait, rounds = clock.monotonic(), FIRST_PAUSE, rounds + 1
                if rounds == ROUNDS:
                    raise Busy("new duplicates keep coming in.", remedy="Find the writers that evade the guard.")
            elif clock.monotonic() + wait > moved_at + self.request.patience:
                raise Busy(
                    f"{left:,} duplicates are held by transactions that do not end.",
                    remedy="End them; the same command goes on.",
                )
            else:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_PAUSE)

    def _listed(self) -> int:
        return int(self.session.one(f"SELECT count(*) FROM {self.target.beside('worklist')}"))

    def _list(self) -> int:
        """List what is in excess: the recount, too, if it finds nothing."""
        self.session.rows(self.steps["quarantine"].statements[0])
        self.listener.point("quarantine: listed")
        return self._listed()

    def _move(self, total: int) -> int:
        """Work the list off; returns how many rows moved."""
        done = moved = 0
        while done < total:
            listed, put = patiently(
                lambda: self.session.rows(self.steps["quarantine"].statements[1])[0], self.request.patience, "A batch"
            )
            if listed == 0:
                break
            done, moved = done + listed, moved + put
            self.listener.progress("duplicates moved", done, total)
            self.listener.point("quarantine: batch")
        return moved

    def build(self) -> None:
        """Build the unique index; if a duplicate is met, take out what slipped in, and build again."""
        for _ in range(ROUNDS):
            try:
                if not (self._stands() or index.already_unique(self.session, self.target)):
                    self._build(self.target.index, self.steps["build"].statements[0])
                return
            except index.Duplicated:
                self.listener.point("build: duplicate met")
                self.quarantine()
        raise Busy(f"the index met duplicates {ROUNDS} times.", remedy="Find the writers that evade the guard.")

    def _build(self, name: str, statement: str) -> None:
        with watched(self.request, self.session.pid, self.listener):
            patiently(
                lambda: index.build(self.session, self.target, name, statement, self.request.patience),
                self.request.patience,
                f"The build of {name}",
            )

    def unguard(self) -> None:
        """Take the trigger away, but only if the index stands."""
        if not (self._stands() or index.already_unique(self.session, self.target)):
            raise Busy("the unique index is gone again.", remedy="The same command builds it anew.")
        patiently(
            lambda: self.session.together(*guard.removing(self.target)), self.request.patience, "Taking the guard away"
        )

    def tidy(self) -> None:
        """Drop what only the repair needed."""
        for statement in self.steps["tidy"].statements:
            with self.session.lock_limit(self.request.patience):
                patiently(lambda one=statement: self.session.rows(one), self.request.patience, "Tidying up")  # type: ignore[misc]
            self.listener.point("tidy: dropped")

    def verify(self) -> Result:
        """Count once more, and say what the table is like now."""
        self.listener.step("verify", self.steps["verify"].purpose)
        result = measure(self.session, self.target, self.plan)
        if result.clean and self._known():
            state.record(self.session, self.target, state.DONE)
        return result
