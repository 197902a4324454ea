"""What a repair came to, and when it may begin."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pairmark.audit.repair import counting, index, quarantine, state
from pairmark.audit.repair.obstacle import Obstacle
from pairmark.audit.repair.plan import Plan
from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target
from pairmark.errors import BadRequest


class Planned(Protocol):
    """A plan of either way."""

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What is in the way, or worth knowing."""
        ...

    @property
    def digest(self) -> str:
        """What tells it from other plans."""
        ...


@dataclass(frozen=True)
class Result:
    """What a repair came to.

    `quarantined`: rows moved from the table, over all runs. `diverted` and `refused`: new duplicates that the guard kept out.
    `slipped`: duplicates that came in although the guard stood. `evading`: writers above READ COMMITTED, by role, application and
    level. `excess`: duplicates left. `valid`: the unique index stands.
    """

    table: str
    digest: str
    index: str
    quarantine: str
    rows_before: int
    rows_after: int
    quarantined: int
    diverted: int
    refused: int
    slipped: int
    excess: int
    valid: bool
    evading: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is left to repair."""
        return self.valid and not self.excess

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self) | {"clean": self.clean}


def agree(plan: Planned, digest: str | None) -> None:
    """Go on only if nothing is in the way and the plan is the one that was read."""
    first = next((one for one in plan.obstacles if one.refuses), None)
    if first is not None:
        raise BadRequest(first.sentence, remedy=first.remedy)
    if digest is not None and digest != plan.digest:
        raise BadRequest(
            f"The plan is {plan.digest} now, not {digest}.",
            remedy="Read it again; the table or the options have changed.",
        )


def measure(session: Session, target: Target, plan: Plan) -> Result:
    """The table as it is, and what the side tables hold."""
    recorded = state.read(session, target)
    numbers = recorded.numbers if recorded else {}
    known = session.one("SELECT to_regclass(%s) IS NOT NULL", [target.beside("quarantine")])
    moved, diverted = session.rows(quarantine.totals(target))[0] if known else (0, 0)
    refused = (
        session.one(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {target.beside('refused')}")
        if known
        else 0
    )
    evading = (
        session.rows(f"SELECT DISTINCT role, application, isolation FROM {target.beside('evading')} ORDER BY 1, 2")
        if known
        else []
    )
    return Result(
        table=target.spoken,
        digest=plan.digest,
        index=target.index if plan.enforced_by is None else plan.enforced_by,
        quarantine=f"{target.schema}.{target.bare('quarantine')}",
        rows_before=int(numbers.get("rows_before", plan.counts.rows if plan.counts else 0)),
        rows_after=int(session.one(f"SELECT count(*) FROM {target.name}")),
        quarantined=moved,
        diverted=diverted,
        refused=refused,
        slipped=int(numbers.get("slipped", 0)),
        excess=counting.excess(session, target),
        valid=bool(index.is_valid(session, target, target.index) or index.already_unique(session, target)),
        evading=tuple(f"{role}, {application or '-'} ({level})" for role, application, level in evading),
    )
