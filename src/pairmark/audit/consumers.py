"""Which downstream tables hold one effect for each fact, and which hold more: counted by key, next to how often it was told."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from pairmark.audit.columns import Columns
from pairmark.audit.sources.address import Source, open_source
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.audit.sources.sqlite import SqliteTable
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest

EXAMPLES = 5
SAYS = {
    "repeated": "holds more than one effect for facts that were told more than once",
    "one each": "holds one effect for each fact; a table that overwrites, or a message that was sent twice, would look the same",
    "nothing": "has no row for any of these facts: its key may be another one",
}


@dataclass(frozen=True)
class Preset:
    """A part of the incident's platform, the tables its effects stand in, and the columns that may name the fact."""

    part: str
    tables: tuple[str, ...]
    keys: tuple[str, ...]


PRESETS = (
    Preset("lifecycle", ("batch", "batches", "batch_state", "batch_states", "phase_history", "status_history"),
           ("entity_id", "batch_id", "job_id", "id")),
    Preset("results", ("outcome", "batch_result", "batch_results", "assessment_result", "published_results"),
           ("job_id", "batch_id", "entity_id")),
    Preset("entitlements", ("ledger", "credit_operation", "credit_operations", "credit_ledger", "reservation"),
           ("batch_id", "reference", "operation_ref", "correlation_id", "resource_id")),
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """A table of effects and the column that names the fact."""

    name: str
    address: str
    key: str


@dataclass(frozen=True)
class EffectsFound:
    """What one table holds. `repeated_facts`: facts that have more than one row there; `most`: rows of the worst."""

    name: str
    table: str
    key: str
    verdict: str
    facts_with_effect: int
    repeated_facts: int
    rows: int
    most: int
    examples: list[dict[str, Any]]

    @property
    def says(self) -> str:
        """What can be said, in words that claim no more."""
        return SAYS[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {**asdict(self), "says": self.says}


def parse_effect(text: str) -> Effect:
    """`NAME=ADDRESS#COLUMN`, as it is given on the command line."""
    name, equals, rest = text.partition("=")
    address, sharp, key = rest.rpartition("#")
    if not (name and equals and sharp and address and key):
        raise BadRequest(
            f"{text} names no effect.",
            remedy="Write NAME=ADDRESS#COLUMN, as in mail=sqlite:app.db?table=mail#batch_id.",
        )
    return Effect(name, address, key)


def presets_at(address: str) -> list[Effect]:
    """The tables of a database that are named as those of a preset."""
    source = open_source(address)
    try:
        if isinstance(source, PostgresTable):
            tables: Mapping[str, Sequence[str]] = source.tables()
        elif isinstance(source, SqliteTable):
            tables = source.tables()
        else:
            raise BadRequest(f"{source.shown} is no database.", remedy="Give --effect NAME=ADDRESS#COLUMN for a file.")
    finally:
        source.close()
    found = [
        Effect(f"{preset.part}: {table}", _at_table(address, table), key)
        for preset in PRESETS
        for table, columns in tables.items()
        if table.rpartition(".")[2] in preset.tables
        for key in [next((one for one in preset.keys if one in columns), None)]
        if key
    ]
    if not found:
        raise BadRequest(
            f"{source.shown} has no table that a preset knows.", remedy="Give --effect NAME=ADDRESS#COLUMN."
        )
    return found


def _at_table(address: str, table: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}table={table}"


def effects(effect: Effect, told: Mapping[str, int]) -> EffectsFound:
    """Rows of a table for each fact that was told more than once."""
    source = open_source(effect.address)
    key = _key(source, effect)
    store = Store(source, Columns(aggregate=key, type=key), Chosen(unique_on=("aggregate",)))
    try:
        found = store.told(list(told))
    finally:
        store.close()
    counts = sorted(((n, name) for name, n in found.items()), reverse=True)
    repeated = [(n, name) for n, name in counts if n > 1]
    return EffectsFound(
        name=effect.name,
        table=source.shown,
        key=key,
        verdict="repeated" if repeated else "one each" if counts else "nothing",
        facts_with_effect=len(counts),
        repeated_facts=len(repeated),
        rows=sum(n for n, _ in counts),
        most=counts[0][0] if counts else 0,
        examples=[{"fact": name, "told": told[name], "effects": n} for n, name in repeated[:EXAMPLES]],
    )


def _key(source: Source, effect: Effect) -> str:
    present = source.columns()
    if effect.key in present:
        return effect.key
    close = get_close_matches(effect.key, present, n=3, cutoff=0.4) or present[:5]
    raise BadRequest(f"{source.shown} has no column {effect.key!r}.", remedy=f"The closest are {', '.join(close)}.")
