"""A black-box test of a consumer: facts sent again in every way that happens, and the rows of effect that came of each.

It sends to an HTTP endpoint or a topic, and so only to this machine unless the host is allowed by name. Each way has a fact
of its own, so that one does not disturb another; what was sent stays there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from pairmark.audit.consumers import Effect
from pairmark.audit.senders import Send, sender
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.postgres import PostgresTable
from pairmark.audit.sources.queries import read_query
from pairmark.audit.sources.sqlite import SqliteTable
from pairmark.audit.sources.statements import literal, quoted
from pairmark.audit.sources.tables import choose, parts_of
from pairmark.errors import BadRequest

MESSAGE = {"event_id": "{{id}}", "event_type": "pairmark.probe", "data": {"entity_id": "{{fact}}"}}
AT_ONCE, LOOKS = 8, 20
CONTROL = "once"
WAYS = {
    CONTROL: "sent once, to see that it has an effect at all",
    "same id": "sent twice with one id: a redelivery",
    "new id": "sent twice with two ids: a producer's duplicate",
    "same id at once": f"sent {AT_ONCE} times at once with one id",
    "new ids at once": f"sent {AT_ONCE} times at once, each with an id of its own",
    "same id later": "sent again with its id after a long pause",
    "new id later": "sent again with a new id after a long pause",
}


@dataclass(frozen=True)
class Tried:
    """One way: how often the fact was sent, how often that was accepted, and how many effects came of it."""

    way: str
    meaning: str
    fact: str
    sent: int
    accepted: int
    effects: int


@dataclass(frozen=True)
class ProbeReport:
    """What came of all ways. `verdict`: clean (one effect each), findings, or undetermined (the fact sent once had none)."""

    target: str
    effects_in: str
    verdict: str
    key: str
    says: list[str]
    ways: list[Tried]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def probe(
    target: str,
    effect: Effect,
    *,
    pause: Callable[[float], object],
    message: Mapping[str, Any] | None = None,
    later: float = 60.0,
    settle: float = 2.0,
    allow: Sequence[str] = (),
) -> ProbeReport:
    """Send facts to `target`, an HTTP endpoint or `kafka://HOST:PORT/TOPIC`, and count the rows of `effect` for each.

    `message`: JSON in which the texts `{{id}}` and `{{fact}}` are replaced; `later`: seconds of the long pause; `settle`: seconds
    in which no further effect may come before they are counted; `allow`: hosts other than this machine. `pause` waits.
    """
    target, send = sender(target, allow, json.dumps(message or MESSAGE))
    count = _counter(effect)
    facts = {way: f"pairmark-probe-{uuid4()}" for way in WAYS}
    count(list(facts.values()))
    answers: dict[str, list[bool]] = {way: [] for way in WAYS}
    for way, fact in facts.items():
        answers[way] += _first(send, way, fact)
    ids = {way: fact for way, fact in facts.items() if way.endswith("later")}
    pause(later)
    for way, fact in ids.items():
        answers[way].append(send(fact, _id(fact, 0 if way.startswith("same") else 1)))
    found = _settled(count, list(facts.values()), settle, pause)
    ways = [
        Tried(way, WAYS[way], fact, len(answers[way]), sum(answers[way]), found.get(fact, 0))
        for way, fact in facts.items()
    ]
    return _report(target, effect, ways, later)


def _first(send: Send, way: str, fact: str) -> list[bool]:
    """Whether each was accepted of what is sent before the pause."""
    if way.endswith("at once"):
        ids = [_id(fact, 0 if way.startswith("same") else number) for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(lambda one: send(fact, one), ids))
    second = {"same id": [0], "new id": [1]}.get(way, [])
    return [send(fact, _id(fact, number)) for number in (0, *second)]


def _id(fact: str, number: int) -> str:
    return f"{fact}-{number}"


def _counter(effect: Effect) -> Callable[[Sequence[str]], dict[str, int]]:
    """A function that counts rows for facts; it asks the database for these alone."""
    source = open_source(effect.address)
    try:
        if effect.address.lower().startswith(("mysql:", "mariadb:")):
            raise BadRequest("Effects are not counted in a MySQL.", remedy="Give a PostgreSQL or a SQLite file.")
        if not isinstance(source, PostgresTable | SqliteTable):
            raise BadRequest(f"{source.shown} is no database.", remedy="Give the address of the consumer's database.")
        if effect.key not in source.columns():
            raise BadRequest(f"{source.shown} has no column {effect.key!r}.", remedy="Name it by --key-column.")
        chosen = choose(source.tables(), source.table, source.shown)
        table = ".".join(map(quoted, parts_of(chosen) if isinstance(source, PostgresTable) else [chosen]))
    finally:
        source.close()
    key = f"CAST({quoted(effect.key)} AS {'text' if isinstance(source, PostgresTable) else 'TEXT'})"

    def count(facts: Sequence[str]) -> dict[str, int]:
        listed = ", ".join(map(literal, facts))
        query = f"SELECT {key}, count(*) FROM {table} WHERE {key} IN ({listed}) GROUP BY 1"  # noqa: S608 - quoted above
        return {str(fact): int(number) for fact, number in read_query(effect.address, query)}

    return count


def _settled(
    count: Callable[[Sequence[str]], dict[str, int]], facts: list[str], settle: float, pause: Callable[[float], object]
) -> dict[str, int]:
    """The counts once they have not changed from one look to the next."""
    found = count(facts)
    for _ in range(LOOKS):
        pause(settle)
        before, found = found, count(facts)
        if found == before and found:
            break
    return found


def _report(target: str, effect: Effect, ways: list[Tried], later: float) -> ProbeReport:
    effects = {one.way: one.effects for one in ways}
    lost = [one.way for one in ways if not one.effects]
    if effects[CONTROL] == 0:
        says = [f"A fact sent once had no effect in {effect.name} by {effect.key}, so nothing can be told."]
        return ProbeReport(target, effect.name, "undetermined", "not known", says, ways)
    says = [f"{one.way}: {one.effects} effects, one was due" for one in ways if one.effects > 1]
    says += [f"{way}: no effect at all, which is a loss or a key that reaches too far" for way in lost]
    key = "the fact" if effects["new id"] == 1 else "the event id" if effects["same id"] == 1 else "none"
    says.append(_KEYS[key])
    raced = any(
        effects[f"{ids} at once"] > 1 and effects[ids.replace("ids", "id")] == 1 for ids in ("same id", "new ids")
    )
    if raced:
        says.append(
            "At once it fails where one after the other it holds: it looks first and writes then. A unique key would hold."
        )
    if any(effects[f"{ids} later"] > 1 and effects[ids] == 1 for ids in ("same id", "new id")):
        says.append(f"After {later:g} s it has forgotten: its key is kept for a shorter time.")
    verdict = "findings" if any(one.effects != 1 for one in ways) else "clean"
    return ProbeReport(target, effect.name, verdict, key, says, ways)


_KEYS = {
    "the fact": "It deduplicates by the fact: a producer's duplicates have no second effect, as far as this went.",
    "the event id": "It deduplicates by the event id: it cannot see a producer's duplicates, which have new ids.",
    "none": "It does not deduplicate: even the same event twice has two effects.",
}
