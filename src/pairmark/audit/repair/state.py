"""How far a repair has come, kept in a small table beside the repaired one, so that any later run can go on."""

import json
from dataclasses import dataclass
from typing import Any

from pairmark.audit.repair.session import Session
from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import literal

DONE, UNDONE = "done", "undone"


@dataclass(frozen=True)
class State:
    """The recorded state of one repair. `step`: the last one that was finished. `numbers`: counts known so far."""

    digest: str
    step: str
    numbers: dict[str, Any]

    @property
    def unfinished(self) -> bool:
        """Whether a run began and neither it nor an undo came to its end."""
        return self.step not in (DONE, UNDONE)


def making(target: Target) -> str:
    """The statement that makes the table."""
    return (
        f"CREATE TABLE IF NOT EXISTS {target.state} (repair text PRIMARY KEY, repaired text NOT NULL, digest text NOT NULL, "
        "step text NOT NULL, numbers jsonb NOT NULL, begun_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
        "changed_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


def beginning(target: Target, digest: str) -> str:
    """The statement that records the beginning, unless one is under way."""
    return (
        f"INSERT INTO {target.state} (repair, repaired, digest, step, numbers) VALUES ({literal(target.digest)}, "
        f"{literal(target.spoken)}, {literal(digest)}, 'begun', '{{}}') "
        f"ON CONFLICT (repair) DO UPDATE SET digest = EXCLUDED.digest, step = 'begun', numbers = '{{}}', "
        f"begun_at = clock_timestamp(), changed_at = clock_timestamp() "
        f"WHERE pairmark_repair.step IN ('{DONE}', '{UNDONE}')"
    )


def read(session: Session, target: Target) -> State | None:
    """What was recorded for this key of this table."""
    if not session.one("SELECT to_regclass(%s) IS NOT NULL", [target.state]):
        return None
    found = session.rows(f"SELECT digest, step, numbers::text FROM {target.state} WHERE repair = %s", [target.digest])
    return State(found[0][0], found[0][1], json.loads(found[0][2])) if found else None


def record(session: Session, target: Target, step: str, **numbers: Any) -> None:
    """A step is finished; the numbers are added to what is known."""
    session.rows(
        f"UPDATE {target.state} SET step = %s, numbers = numbers || %s::jsonb, changed_at = clock_timestamp() WHERE repair = %s",
        [step, json.dumps(numbers), target.digest],
    )
