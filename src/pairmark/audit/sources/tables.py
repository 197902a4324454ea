"""Which table of a database holds the events: the one that was named, or the only one that looks like an outbox."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pairmark.audit.columns import recognise
from pairmark.errors import BadRequest

OURS = "pairmark_quarantine_"
"""What a repair puts beside a table has its columns, too."""
LIKELY = ("event_outbox", "outbox", "outbox_events", "outbox_event", "outbox_messages", "events")


_QUOTED = re.compile(r'"((?:[^"]|"")+)"\."((?:[^"]|"")+)"')


def parts_of(name: str) -> tuple[str, ...]:
    """Schema and table of a name; where one of them holds a dot, both stand in quotation marks.

    Examples
    --------
    >>> parts_of("public.event_outbox"), parts_of('"shop.v2"."event_outbox"')
    (('public', 'event_outbox'), ('shop.v2', 'event_outbox'))
    """
    quoted = _QUOTED.fullmatch(name)
    return tuple(part.replace('""', '"') for part in quoted.groups()) if quoted else tuple(name.split(".", 1))


def choose(tables: Mapping[str, Sequence[str]], wanted: str | None, where: str) -> str:
    """The table to audit, from all tables and their columns."""
    if wanted is not None:
        return _named(tables, wanted, where)
    theirs = [name for name in tables if not parts_of(name)[-1].startswith(OURS)]
    fitting = [name for name in theirs if _looks_right(tables[name])]
    likely = [name for name in fitting if parts_of(name)[-1].lower() in LIKELY]
    found = likely or fitting
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadRequest(
            f"No table of {where} looks like an outbox ({', '.join(list(tables)[:10]) or 'there are none'}).",
            remedy="Add ?table=schema.name to the address.",
        )
    raise BadRequest(
        f"{len(found)} tables of {where} look like an outbox: {', '.join(found[:10])}.",
        remedy=f"Add ?table={found[0]} (or another of them) to the address.",
    )


def _named(tables: Mapping[str, Sequence[str]], wanted: str, where: str) -> str:
    same = [name for name in tables if wanted in (name, ".".join(parts_of(name)), parts_of(name)[-1])]
    if len(same) == 1:
        return same[0]
    if same:
        raise BadRequest(f"{wanted} could be {' or '.join(same)}.", remedy=f"Write ?table={same[0]}.")
    close = get_close_matches(wanted, list(tables), n=3, cutoff=0.3) or list(tables)[:5]
    raise BadRequest(f"{where} has no table {wanted}.", remedy=f"The closest are {', '.join(close) or 'none'}.")


def _looks_right(columns: Sequence[str]) -> bool:
    try:
        return recognise(columns, {}, "").time is not None
    except BadRequest:
        return False
