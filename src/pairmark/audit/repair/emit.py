"""The repair as an Alembic migration, for people whose schema changes go through review and release."""

import re
from typing import Any

from pairmark.audit.repair import guard, index, quarantine
from pairmark.audit.repair.plan import Plan
from pairmark.audit.repair.request import Request
from pairmark.audit.repair.target import Target
from pairmark.audit.sources.statements import literal
from pairmark.errors import BadRequest

TEMPLATE = '''"""Take duplicates out of {table}, and let {key} tell a fact only once.

Written by `pairmark audit repair --emit alembic`, plan {digest}. Duplicates go into {side}, from where `downgrade` brings
them back. Runs outside a transaction, and may be run again after a failure: every part looks at what is there.
"""

from alembic import context, op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None

LOCK_TIMEOUT = "{lock_timeout}ms"
BUILD_TIMEOUT = "{patience}ms"
SEARCH_PATH = {path!r}
{constants}


def upgrade() -> None:
    """Guard, quarantine, build, and only then take the guard away."""
    with _apart() as run:
        for statement in PREPARE:
            run(statement)
        if LOOKUP is not None:
            _build(run, *LOOKUP)
        for statement in GUARD:
            run(statement)
        _quarantine(run)
        _build(run, *UNIQUE)
        for statement in AFTER:
            run(statement)


def downgrade() -> None:
    """Drop the index and bring the rows back."""
    with _apart() as run:
        for statement in BEFORE_ROWS:
            run(statement)
        while run(RESTORE).scalar():
            pass
        for statement in LAST:
            run(statement)


def _quarantine(run) -> None:
    while True:
        run(LIST)
        listed = run(LEFT).scalar()
        if not listed:
            return
        while run(BATCH).first()[0]:
            pass


def _build(run, name, statement, state, drop) -> None:
    if run(state).scalar() is False:
        run(drop)
    if run(state).scalar() is None:
        run(f"SET lock_timeout = '{{BUILD_TIMEOUT}}'")
        run(statement)
        run(f"SET lock_timeout = '{{LOCK_TIMEOUT}}'")
    if not run(state).scalar():
        raise RuntimeError(f"{{name}} is invalid; run the migration again.")


class _apart:
    """Autocommit, with a lock timeout and the search path of the key's types; both are put back."""

    def __enter__(self):
        if context.is_offline_mode():
            raise RuntimeError("This migration looks at what is there; it cannot be written out as SQL.")
        self.block = op.get_context().autocommit_block()
        self.block.__enter__()
        self.path, self.timeout = (self.run(f"SHOW {{name}}").scalar() for name in ("search_path", "lock_timeout"))
        self.run(f"SET search_path = {{SEARCH_PATH}}")
        self.run(f"SET lock_timeout = '{{LOCK_TIMEOUT}}'")
        return self.run

    def run(self, statement):
        """One statement as it stands."""
        return op.get_bind().exec_driver_sql(statement, execution_options={{"no_parameters": True}})

    def __exit__(self, *error):
        self.run(f"SET lock_timeout = '{{self.timeout}}'")
        self.run("SET search_path = " + (self.path or "''"))
        return self.block.__exit__(*error)
'''


def alembic(plan: Plan, request: Request, *, revision: str | None = None, down: str | None = None) -> str:
    """The text of the migration; its syntax is checked. `down`: the revision before it."""
    target = plan.target
    if target is None:
        raise BadRequest("Only a table of a PostgreSQL can be repaired by a migration.")
    for name in (revision, down):
        if name is not None and not re.fullmatch(r"[\w.-]{1,64}", name):
            raise BadRequest(f"{name!r} is no revision.", remedy="Use letters, digits, _ - and . only.")
    text = TEMPLATE.format(
        table=target.spoken,
        key=", ".join(target.key),
        digest=plan.digest,
        side=f"{target.schema}.{target.bare('quarantine')}",
        revision=revision or target.bare("repair")[:32],
        down=down,
        lock_timeout=round(request.lock_timeout * 1000),
        patience=round(request.patience * 1000),
        path=target.path,
        constants="\n".join(f"{name} = {_spelled(value)}" for name, value in _constants(plan, request, target).items()),
    )
    compile(text, "migration", "exec")
    return text


def _constants(plan: Plan, request: Request, target: Target) -> dict[str, Any]:
    steps = {one.name: one.statements for one in plan.steps}
    lookup = target.bare("lookup")
    return {
        "PREPARE": [one for one in steps["prepare"] if target.state not in one],
        "LOOKUP": _index(target, lookup, steps["lookup"][0]) if "lookup" in steps else None,
        "GUARD": list(steps["guard"]),
        "LIST": steps["quarantine"][0],
        "LEFT": f"SELECT count(*) FROM {target.beside('worklist')}",
        "BATCH": steps["quarantine"][1],
        "UNIQUE": _index(target, target.index, steps["build"][0]),
        "AFTER": [*steps["unguard"], *steps["tidy"]],
        "BEFORE_ROWS": [*guard.removing(target), index.dropping(target, target.index), index.dropping(target, lookup)],
        "RESTORE": quarantine.restoring(target, request.batch, target.writable),
        "LAST": list(quarantine.removing(target, with_rows=True)),
    }


def _index(target: Target, name: str, statement: str) -> tuple[str, str, str, str]:
    state = (
        "SELECT i.indisvalid AND i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        f"WHERE i.indrelid = {literal(target.name)}::regclass AND c.relname = {literal(name)}"
    )
    return name, statement, state, index.dropping(target, name)


def _spelled(value: Any) -> str:
    """A value in Python's own spelling, SQL in one piece per line of it."""
    if isinstance(value, list | tuple):
        inner = "".join(f"    {_spelled(one)},\n" for one in value)
        return f"[\n{inner}]"
    if isinstance(value, str) and "\n" in value:
        lines = value.splitlines(keepends=True)
        return "(\n" + "".join(f"    {line!r}\n" for line in lines) + ")"
    return repr(value)
