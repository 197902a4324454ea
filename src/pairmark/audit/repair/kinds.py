"""Which kinds of source can be repaired, and by which of our modules; all others are only read."""

from collections.abc import Sequence
from typing import Any, Protocol

from pairmark.audit.repair.plan import Plan
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.result import Result
from pairmark.audit.repair.session import Listener
from pairmark.audit.repair.undo import UndoPlan, UndoResult
from pairmark.errors import BadRequest


class Kind(Protocol):
    """A kind of source: four functions."""

    def make_plan(self, request: Request) -> Plan:
        """What a repair would do; reads only."""
        ...

    def apply(self, request: Request, listener: Listener, *, digest: str | None = None) -> Result:
        """Do it, or go on with it."""
        ...

    def plan_undo(self, request: Request, parts: Sequence[str]) -> UndoPlan:
        """What an undo would do; reads only."""
        ...

    def undo(
        self, request: Request, listener: Listener, parts: Sequence[str], *, digest: str | None = None
    ) -> UndoResult:
        """Take it back."""
        ...


def kind_of(source: str) -> Kind:
    """The kind of a source that can be repaired."""
    found: Any
    scheme = source.partition(":")[0].lower()
    if scheme in ("postgresql", "postgres"):
        from pairmark.audit.repair import postgres as found  # noqa: PLC0415 - only what is used is loaded
    elif scheme == "sqlite":
        from pairmark.audit.repair import sqlite as found  # noqa: PLC0415
    else:
        told = f"{scheme}://…" if "://" in source else source
        raise BadRequest(
            f"Only a table of a PostgreSQL or of a SQLite file can be repaired; {told} is only read.",
            remedy="Repair the table that it came from.",
        )
    return found  # type: ignore[no-any-return]
