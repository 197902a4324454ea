"""Watching a source for recurrence: one pass after another, what was new in each, and what is remembered between them.

Nothing is printed or served here. A pass that fails changes nothing that is remembered. No data is never clean.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pairmark.audit.looks import Key, Seen, Watched
from pairmark.clock import Clock
from pairmark.errors import BadRequest, Busy

WORST = 5
"""Facts that a pass names."""
VERSION = 1


@dataclass(frozen=True)
class Memory:
    """What is kept between passes. `known`: how often each repeated fact was told; `seen_until`: where new rows begin.

    `tidy`: whether facts can be found by what leads their key as it is spelled, as the last look at everything saw it.
    """

    known: dict[Key, int] = field(default_factory=dict)
    seen_until: datetime | None = None
    last_full: datetime | None = None
    tidy: bool = False
    passes: int = 0
    new_duplicates: int = 0


@dataclass(frozen=True)
class Pass:
    """One look. `new`: facts with duplicates that were not there at the pass before, and how many; `verdict` as of an audit.

    `advice`: what would make such a look cheaper.
    """

    at: datetime
    full: bool
    events: int
    newest: datetime | None
    new: dict[Key, int]
    repeated_facts: int
    duplicates: int
    verdict: str
    why: str = ""
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for a line of JSON."""
        worst = sorted(self.new.items(), key=lambda one: (-one[1], one[0]))[:WORST]
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "verdict": self.verdict,
            "why": self.why,
            "advice": self.advice,
            "full": self.full,
            "events": self.events,
            "newest": self.newest.isoformat() if self.newest else None,
            "new_duplicates": sum(self.new.values()),
            "facts_with_new": len(self.new),
            "repeated_facts": self.repeated_facts,
            "duplicates": self.duplicates,
            "worst": [{"fact": list(key), "new": number} for key, number in worst],
        }


@dataclass
class Watch:
    """A source that is looked at again and again.

    `look_back`: how long a transaction may take to commit, for only so far behind the newest row are new rows looked for;
    `full_every`: after so long everything is looked at; `expect_within`: without an event so young nothing can be said.
    """

    watched: Watched
    clock: Clock
    look_back: timedelta = timedelta(minutes=10)
    full_every: timedelta = timedelta(days=1)
    expect_within: timedelta | None = None
    memory: Memory = field(default_factory=Memory)

    def once(self) -> Pass:
        """Look, compare with what is known, and remember."""
        now, before = self.clock.now(), self.memory
        since = self._new_since(now)
        seen = self.watched.all() if since is None else self.watched.new(since)
        if seen.partial and not seen.events:  # the newest row that was seen is not there any more
            seen = self.watched.all()
        known = {**before.known, **seen.repeated} if seen.partial else dict(seen.repeated)
        new = {key: number - before.known.get(key, 1) for key, number in seen.repeated.items()}
        new = {key: number for key, number in new.items() if number > 0}
        self.memory = Memory(
            known=known,
            seen_until=_later(before.seen_until if seen.partial else None, seen.newest, now),
            last_full=before.last_full if seen.partial else now,
            tidy=before.tidy if seen.partial else seen.tidy,
            passes=before.passes + 1,
            new_duplicates=before.new_duplicates + sum(new.values()),
        )
        verdict, why = self._verdict(seen, new, now)
        if seen.partial and since is not None and verdict == "clean":
            why = f"in facts with rows from {_told(since)} on; everything was last looked at {_told(before.last_full or now)}"
        excess = sum(number - 1 for number in known.values())
        return Pass(now, not seen.partial, seen.events, seen.newest, new, len(known), excess, verdict, why, seen.advice)

    def _new_since(self, now: datetime) -> datetime | None:
        """From where new rows are looked for; None if it is time, or the only way, to look at everything."""
        before = self.memory
        if before.seen_until is None or before.last_full is None or now - before.last_full >= self.full_every:
            return None
        return before.seen_until - self.look_back if before.tidy else None

    def _verdict(self, seen: Seen, new: dict[Key, int], now: datetime) -> tuple[str, str]:
        if new:
            return "findings", ""
        if not seen.events:
            return "undetermined", "there was no event to look at"
        if not seen.conclusive:
            return "undetermined", "the source does not keep enough to prove it"
        newest = seen.newest or self.memory.seen_until
        if self.expect_within is not None and (newest is None or now - newest > self.expect_within):
            return "undetermined", "no event is as young as expected"
        return "clean", ""


def _later(before: datetime | None, newest: datetime | None, now: datetime) -> datetime | None:
    """From where the next pass looks for new rows; a row dated in the future does not hide those that come before it."""
    found = [min(one, now) for one in (before, newest) if one is not None]
    return max(found, default=None)


def follow(
    watch: Watch, pause: Callable[[], bool], tell: Callable[[Pass], None], failed: Callable[[Busy], None]
) -> None:
    """Pass after pass, until `pause` returns False. A source that is away is told of and tried again."""
    while True:
        try:
            done = watch.once()
        except Busy as error:
            failed(error)
        else:
            tell(done)
        if not pause():
            return


def save(memory: Memory, watched: Watched, path: Path) -> None:
    """Write what is remembered, whole or not at all."""
    from pairmark.report.files import put  # noqa: PLC0415

    document = {
        "version": VERSION,
        "of": identity(watched),
        "known": [[*key, number] for key, number in sorted(memory.known.items())],
        "seen_until": memory.seen_until.isoformat() if memory.seen_until else None,
        "last_full": memory.last_full.isoformat() if memory.last_full else None,
        "tidy": memory.tidy,
        "passes": memory.passes,
        "new_duplicates": memory.new_duplicates,
    }
    put(path.absolute().parent, {path.name: json.dumps(document).encode()})


def load(watched: Watched, path: Path) -> Memory:
    """What was remembered; nothing if there is no such file. Refuses the memory of another source, or of another question."""
    if not path.exists():
        return Memory()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] != VERSION or found["of"] != identity(watched):
            raise BadRequest(
                f"{path} remembers {found['of']}, which is something else.", remedy="Give another --state file."
            )
        return Memory(
            known={tuple(row[:-1]): int(row[-1]) for row in found["known"]},
            seen_until=_time(found["seen_until"]),
            last_full=_time(found["last_full"]),
            tidy=bool(found.get("tidy", False)),
            passes=int(found["passes"]),
            new_duplicates=int(found["new_duplicates"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(
            f"{path} cannot be read as the state of a watch: {error}.", remedy="Remove it, or give another."
        ) from error


def identity(watched: Watched) -> dict[str, Any]:
    """What a memory belongs to."""
    asked = watched.chosen
    return {"source": watched.shown, "unique_on": list(asked.unique_on), "types": list(asked.types), "since": asked.since,
            "until": asked.until, "columns": dict(watched.columns)}  # fmt: skip


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
