"""Topics of Kafka, read up to the end they had at the start; nothing is committed, and no group is left behind.

A second look at a few facts reads their messages again, by their offsets: bodies of all others are never kept.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import duckdb

from pairmark.audit.sources.arriving import PLACE, append, make_table
from pairmark.audit.sources.kafka_fields import Extraction, Seen
from pairmark.audit.sources.kafka_log import Range, TopicLog
from pairmark.audit.sources.reach import Reach
from pairmark.audit.sources.statements import is_one_of
from pairmark.config import kafka_settings
from pairmark.errors import BadRequest

FORM = "Write it as kafka://host:9092/topic?from=2025-11-15T00:00:00Z&to=…"
SAMPLE = 1_000
"""Messages looked at for the names of columns, at the begin and again at the end of what is read."""


@dataclass(frozen=True)
class Address:
    """Brokers, names or patterns of topics, and where to begin and to end: an offset, or a time of the log."""

    brokers: str
    topics: tuple[str, ...]
    begin: str | None
    end: str | None

    @classmethod
    def of(cls, text: str) -> "Address":
        """Take `kafka://host:port,…/topic,…?from=…&to=…` apart."""
        rest, _, options = text.partition("://")[2].partition("?")
        brokers, _, topics = rest.partition("/")
        if "@" in brokers:
            raise BadRequest(
                "A login does not belong into the address of a broker.",
                remedy="Set PAIRMARK_KAFKA_SASL_USERNAME, PAIRMARK_KAFKA_SASL_PASSWORD and so on.",
            )
        given = dict(parse_qsl(options, keep_blank_values=True))
        unknown = sorted(given.keys() - {"from", "to"})
        named = tuple(one for one in topics.split(",") if one)
        if not brokers or not named or unknown:
            what = f"does not know {', '.join(unknown)}" if unknown else f"lacks {'a topic' if brokers else 'a broker'}"
            raise BadRequest(f"kafka://{rest} {what}.", remedy=FORM)
        return cls(brokers, named, given.get("from"), given.get("to"))

    def __str__(self) -> str:
        bounds = "&".join(f"{word}={value}" for word, value in (("from", self.begin), ("to", self.end)) if value)
        return f"kafka://{self.brokers}/{','.join(self.topics)}{'?' if bounds else ''}{bounds}"


class KafkaTopics:
    """One or several topics of one cluster."""

    def __init__(self, text: str) -> None:
        self._address = Address.of(text)
        self._begin, self._end = (_offset_or_time(one) for one in (self._address.begin, self._address.end))
        self._log: TopicLog | None = None
        self._ranges: list[Range] = []
        self._limits: list[str] = []
        self._seen = Seen()
        self._loaded = Extraction((), self._seen)
        self._conclusive = True

    @property
    def shown(self) -> str:
        """The address."""
        return str(self._address)

    def columns(self) -> list[str]:
        """Columns of the record, and what headers and bodies of a sample have; from here on, what is read is fixed."""
        self._open()
        sample = self._sample()
        self._say_what_is_gone(sample)
        self._seen = Seen.of(sample)
        return self._seen.names

    @property
    def _opened(self) -> TopicLog:
        if self._log is None:
            self._log = TopicLog(self._address.brokers, self.shown, kafka_settings())
        return self._log

    def _open(self) -> None:
        topics = self._opened.topics(self._address.topics)
        whole = self._opened.ranges(topics)
        starts = self._bound(whole, self._begin) or [one.low for one in whole]
        stops = self._bound(whole, self._end) or [one.high for one in whole]
        self._ranges = [
            replace(one, start=max(start, one.low), stop=min(stop, one.high))
            for one, start, stop in zip(whole, starts, stops, strict=True)
        ]
        if self._opened.behind and self._end is None:
            self._limits.append(
                f"{self._opened.behind:,} offsets are behind a transaction that is still open, and not looked at."
            )

    def _sample(self) -> list[Any]:
        most = max(SAMPLE // max(len(self._ranges), 1), 10)
        begins = [replace(one, stop=min(one.stop, one.start + most)) for one in self._ranges]
        ends = [replace(one, start=max(one.stop - most, one.start + most)) for one in self._ranges]
        return [one for part in (begins, ends) for batch in self._opened.read(part) for one in batch]

    def _bound(self, whole: list[Range], bound: int | datetime | None) -> list[int] | None:
        if isinstance(bound, datetime):
            return self._opened.offsets_at(whole, round(bound.timestamp() * 1000))
        return None if bound is None else [bound] * len(whole)

    def _say_what_is_gone(self, sample: Sequence[Any]) -> None:
        """Tell where the log begins, if that is not at its first message ever."""
        cut = [one for one in self._ranges if one.low > 0 and one.start == one.low and one.low < one.high]
        if self._begin is not None:
            cut = [one for one in cut if isinstance(self._begin, datetime) or one.low > self._begin]
        if not cut:
            return
        places = {one.place for one in cut}
        moments = [
            one.timestamp()[1] for one in sample if one.timestamp()[0] and (one.topic(), one.partition()) in places
        ]
        since = f" ({_iso(min(moments))})" if moments else ""
        where = ", ".join(f"{one.topic}[{one.partition}] at offset {one.low:,}" for one in cut[:5])
        more = f" and {len(cut) - 5} more" if len(cut) > 5 else ""
        self._limits.append(f"The log begins with {where}{more}{since}: what came before is unknown, not clean.")
        self._conclusive &= self._begin is None

    def load(self, store: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
        """Read everything within the bounds once; where each message is stays beside its columns."""
        self._loaded = Extraction(names, self._seen)
        places = {one.place: number for number, one in enumerate(self._ranges)}
        make_table(store, "raw", names, places=True)
        number = 0
        for batch in self._opened.read(self._ranges):
            number += len(batch)
            told, columns = self._loaded.columns(batch)
            where = [places[message.topic(), message.partition()] for message in told]
            offsets = [message.offset() for message in told]
            append(store, "raw", {**columns, PLACE[0]: where, PLACE[1]: offsets})
        missed = sum(max(one.stop - one.start, 0) for one in self._ranges) - number
        if missed > 0:
            self._explain(missed)

    def _explain(self, missed: int) -> None:
        """Say what offsets without a message mean: on a compacted topic, that nothing is proven by what is not there."""
        topics = list(dict.fromkeys(one.topic for one in self._ranges))
        compacted = self._opened.compacted(topics)
        self._conclusive &= compacted == []
        if self._opened.moved:
            self._conclusive = False
            why = "retention took messages while they were read"
        elif compacted:
            why = f"{', '.join(compacted)} is compacted: of messages with one key only the last is sure to be there"
        elif compacted is None:
            why = "this login may not ask whether the topic is compacted"
        else:
            why = "marks of transactions, or messages of aborted ones"
        self._limits.append(f"{missed:,} offsets within the bounds hold no message that can be read: {why}.")

    def look_closer(
        self,
        store: duckdb.DuckDBPyConnection,
        names: Sequence[str],
        keys: Sequence[str],
        spelled: Sequence[Sequence[str | None]],
    ) -> None:
        """Read again the messages of a few facts, and pass by what lies between."""
        place, number = (f'"{one}"' for one in PLACE)
        wanted: dict[int, set[int]] = defaultdict(set)
        for partition, offset in store.execute(
            f"SELECT {place}, {number} FROM raw WHERE {is_one_of(keys, spelled, 'VARCHAR')}"
        ).fetchall():
            wanted[partition].add(offset)
        again = [replace(self._ranges[one], start=min(of), stop=max(of) + 1) for one, of in wanted.items()]
        offsets = {self._ranges[one].place: of for one, of in wanted.items()}
        make_table(store, "near", names)
        taking, found = Extraction(names, self._seen), 0
        for batch in self._opened.read(again):
            told, columns = taking.columns([
                one for one in batch if one.offset() in offsets[one.topic(), one.partition()]
            ])  # fmt: skip
            found += len(told)
            append(store, "near", columns)
        lost = sum(map(len, offsets.values())) - found
        if lost:
            self._limits.append(f"{lost:,} messages of the findings were gone at the second look, by retention.")

    def reach(self) -> Reach:
        """What the log no longer holds, and what of it could not be read as JSON."""
        counted = {
            "tombstones (messages without a body)": self._loaded.tombstones,
            "messages whose body is no JSON object": self._loaded.not_json,
        }
        return Reach(tuple(self._limits), counted, self._conclusive)

    def close(self) -> None:
        """Let go of the connection."""
        if self._log is not None:
            self._log.close()


def _offset_or_time(text: str | None) -> int | datetime | None:
    if text is None or re.fullmatch(r"\d{1,18}", text):
        return None if text is None else int(text)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if re.search(r"T.* \d\d:?\d\d$", text) else text)
    except ValueError:
        raise BadRequest(f"{text!r} is neither an offset nor a time.", remedy=FORM) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
