"""Which downstream tables hold one effect for each fact, and which hold more: counted by key, next to how often it was told.

Tables of the incident's platform are looked for by the names they may have; a part that has no table anywhere says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from pairmark.audit.columns import Columns
from pairmark.audit.sources.address import HasKeys, HasTables, Source, open_source
from pairmark.audit.sources.tables import parts_of
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest

EXAMPLES = 5
VERDICTS = {
    "repeated": "findings",
    "one each": "clean",
    "some": "undetermined",
    "unique": "undetermined",
    "nothing": "undetermined",
}
"""What each means for the whole."""
SAYS = {
    "repeated": "holds more than one effect for facts that were told more than once",
    "one each": "holds one effect for each fact; a table that overwrites, or a message that was sent twice, would look the same",
    "some": "lacks some of these facts, of which nothing is known, and holds one effect for each of the others",
    "unique": "can hold no more than one row for each, for its key is unique: effects that came again left no row there",
    "nothing": "has no row for any of these facts: its key may be another one",
}


@dataclass(frozen=True)
class Preset:
    """A part of the incident's platform, and the names its tables of effects may have.

    `keys`: columns that may name the fact. `effects`: columns that may tell one effect on a fact from another.
    """

    part: str
    tables: tuple[str, ...]
    keys: tuple[str, ...]
    effects: tuple[str, ...]


PRESETS = (
    Preset("lifecycle", ("batch", "batches", "batch_state", "batch_states", "phase_history", "status_history"),
           ("entity_id", "batch_id", "job_id", "id"), ("phase", "phase_name", "to_status", "new_status")),
    Preset("results", ("outcome", "batch_result", "batch_results", "assessment_result", "published_results"),
           ("job_id", "batch_id", "entity_id"), ("essay_id", "els_essay_id", "essay_ref")),
    Preset("entitlements", ("ledger", "credit_operation", "credit_operations", "credit_ledger", "reservation"),
           ("batch_id", "reference", "operation_ref", "correlation_id", "resource_id"),
           ("kind", "entry_type", "operation_type", "transaction_type")),
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """A table of effects, the column that names the fact, and the one that tells one effect on it from another, if any."""

    name: str
    address: str
    key: str
    effect: str | None = None


@dataclass(frozen=True)
class PresetLookedFor:
    """What was looked for by a preset, and where; `effects`: what was found; `without_key`: tables without a column for it."""

    preset: Preset
    places: tuple[str, ...]
    effects: tuple[Effect, ...]
    without_key: tuple[str, ...]

    @property
    def says(self) -> str:
        """What was found, or what it means that nothing was."""
        names = self.preset
        looked = f"{names.part}: looked in {', '.join(self.places)} for a table named {', '.join(names.tables)}"
        lacking = (
            f"; {', '.join(self.without_key)} has none of the columns {', '.join(names.keys)}"
            if self.without_key
            else ""
        )
        if not self.effects:
            return f"{looked}: none{lacking}. Nothing can be said of {names.part}; name its table by --effect."
        found = ", ".join(one.name.partition(": ")[2] for one in self.effects)
        return f"{looked}: found {found}{lacking}."

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            **asdict(self.preset),
            "places": list(self.places),
            "found": [one.name.partition(": ")[2] for one in self.effects],
            "without_key": list(self.without_key),
            "says": self.says,
        }


@dataclass(frozen=True)
class EffectsFound:
    """What one table holds. `repeated_facts`: facts of which one effect has more than one row there; `most`: rows of the worst.

    `facts`: all that were told more than once, of which `facts_with_effect` have a row there.
    """

    name: str
    table: str
    key: str
    effect: str | None
    verdict: str
    facts: int
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
    """`NAME=ADDRESS#COLUMN[,COLUMN]`, as it is given on the command line."""
    name, equals, rest = text.partition("=")
    address, sharp, columns = rest.rpartition("#")
    key, _, effect = columns.partition(",")
    if not (name and equals and sharp and address and key) or columns.endswith(","):
        raise BadRequest(
            f"{name or text} names no effect.",
            remedy="Write NAME=ADDRESS#COLUMN, as in mail=sqlite:app.db?table=mail#batch_id, or #batch_id,template.",
        )
    return Effect(name, address, key, effect or None)


def look_for_presets(addresses: Sequence[str], parts: Sequence[str] = ()) -> list[PresetLookedFor]:
    """For each preset (of these parts, or all) the tables in these databases that are named as its own."""
    unknown = sorted(set(parts) - {preset.part for preset in PRESETS})
    if unknown:
        known = ", ".join(preset.part for preset in PRESETS)
        raise BadRequest(f"There is no preset {unknown[0]}.", remedy=f"There are {known}.")
    present = {address: _tables(address) for address in addresses}
    places = tuple(shown for shown, _ in present.values())
    return [
        _looked_for(preset, places, {address: tables for address, (_, tables) in present.items()})
        for preset in PRESETS
        if not parts or preset.part in parts
    ]


def _tables(address: str) -> tuple[str, Mapping[str, Sequence[str]]]:
    source = open_source(address)
    try:
        if not isinstance(source, HasTables):
            raise BadRequest(f"{source.shown} is no database.", remedy="Give --effect NAME=ADDRESS#COLUMN for a file.")
        return source.shown, source.tables()
    finally:
        source.close()


def _looked_for(
    preset: Preset, places: tuple[str, ...], present: Mapping[str, Mapping[str, Sequence[str]]]
) -> PresetLookedFor:
    named = [
        (address, table, columns)
        for address, tables in present.items()
        for table, columns in tables.items()
        if parts_of(table)[-1] in preset.tables
    ]
    found, without_key = [], []
    for address, table, columns in named:
        key = next((one for one in preset.keys if one in columns), None)
        if key is None:
            without_key.append(table)
        else:
            effect = next((one for one in preset.effects if one in columns), None)
            found.append(Effect(f"{preset.part}: {table}", _at_table(address, table), key, effect))
    return PresetLookedFor(preset, places, tuple(found), tuple(without_key))


def _at_table(address: str, table: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}table={quote(table, safe='')}"


def effects(effect: Effect, told: Mapping[str, int]) -> EffectsFound:
    """Rows of a table for each fact that was told more than once."""
    source = open_source(effect.address)
    key = _column(source, effect.key)
    other = _column(source, effect.effect) if effect.effect else None
    unique = isinstance(source, HasKeys) and any(one <= {key, other} for one in source.unique())
    store = Store(source, Columns(aggregate=key, type=other or key), Chosen())
    try:
        found = store.rows(
            "SELECT aggregate, sum(n)::BIGINT, max(n)::BIGINT FROM (SELECT aggregate, count(*) AS n FROM looked_at "
            "WHERE aggregate IN (SELECT unnest(?)) GROUP BY aggregate, type) GROUP BY 1",
            [list(told)],
        )
    finally:
        store.close()
    counts = sorted(((most, name) for name, _, most in found), reverse=True)
    repeated = [(n, name) for n, name in counts if n > 1]
    return EffectsFound(
        name=effect.name,
        table=source.shown,
        key=key,
        effect=other,
        verdict=_verdict(len(told), len(counts), len(repeated), unique=unique),
        facts=len(told),
        facts_with_effect=len(counts),
        repeated_facts=len(repeated),
        rows=sum(rows for _, rows, _ in found),
        most=counts[0][0] if counts else 0,
        examples=[{"fact": name, "told": told[name], "effects": n} for n, name in repeated[:EXAMPLES]],
    )


def _verdict(facts: int, with_effect: int, repeated: int, *, unique: bool) -> str:
    if repeated or not with_effect:
        return "repeated" if repeated else "nothing"
    return "unique" if unique else "some" if with_effect < facts else "one each"


def _column(source: Source, name: str) -> str:
    present = source.columns()
    if name in present:
        return name
    close = get_close_matches(name, present, n=3, cutoff=0.4) or present[:5]
    raise BadRequest(f"{source.shown} has no column {name!r}.", remedy=f"The closest are {', '.join(close)}.")
