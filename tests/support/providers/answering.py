"""From a request in one provider's words to an answer in them: script, limits, judge, tokens, money, book.

All providers of a scene answer by way of this, calls on the wire and requests of a batch alike.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.providers.asked import Asked, Dialect, Refused, Said, Usage, reading
from support.providers.book import Book, Entry
from support.providers.http import Reply, as_json
from support.providers.rules import Rule, choose, draw, parse
from support.providers.scenarios import NAMES, change, dumps, refuse, too_long
from support.providers.scene import Card, Scene
from support.providers.scripted import FIELDS, ScriptedJudge
from support.providers.texts import digest
from support.providers.tokens import Minute, Prefixes, count

REQUEST_ID = {"anthropic": "request-id"}


@dataclass(slots=True)
class Answer:
    """A body and its status, who it was for, and how it is to travel."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    said: Said | None = None
    asked: Asked | None = None

    def reply(self, delay: float) -> Reply:
        """As a reply on the wire."""
        reply = as_json(self.body, self.status, self.headers)
        if self.said is not None:
            reply.way = self.said.way
            reply.delay = delay if self.said.delay is None else self.said.delay
        return reply


class Answering:
    """Answers everything a scene's models are asked."""

    def __init__(
        self, scene: Scene, book: Book, judge: ScriptedJudge, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.scene, self.book, self.judge = scene, book, judge
        self.rules = checked(parse(scene.rules))
        self._prefixes, self._minute = Prefixes(), Minute(scene.limits, now)
        self._times: Counter[str] = Counter()
        self._number = 0

    def answer(self, dialect: Dialect, body: object, request_id: str = "", batch: str = "") -> Answer:
        """Answer one request, and write it down."""
        self._number += 1
        number = self._number
        identity = f"req_{number:08d}"
        entry = Entry(number, dialect.provider, "", request_id, 200, "good", batch=batch, identity=identity)
        try:
            with reading():
                asked = dialect.read(body if isinstance(body, dict) else {})
            asked.request_id, asked.batch, asked.number = request_id, batch, number
            self._begin(asked, entry)
            said = self._say(asked, identity)
            answer = Answer(200, dialect.write(asked, said), self._minute.headers(asked), said, asked)
            self._finish(asked, said, entry)
        except Refused as refused:
            answer = self._refuse(dialect, refused, entry)
        answer.headers[REQUEST_ID.get(dialect.provider, "x-request-id")] = identity
        self.book.write(entry)
        return answer

    def refuse(self, dialect: Dialect, refused: Refused, request_id: str) -> Answer:
        """Refuse a request before it is read, and write that down."""
        self._number += 1
        entry = Entry(self._number, dialect.provider, "", request_id, 0, "contract", identity=f"req_{self._number:08d}")
        answer = self._refuse(dialect, refused, entry)
        self.book.write(entry)
        return answer

    def _refuse(self, dialect: Dialect, refused: Refused, entry: Entry) -> Answer:
        told = dialect.error(refused)
        entry.status, entry.scenario, entry.refusal = refused.status, refused.scenario, refused.message
        return Answer(refused.status, told, refused.headers)

    def delay(self) -> float:
        """How long the next answer takes."""
        if not self.scene.jitter:
            return self.scene.delay
        return self.scene.delay + self.scene.jitter * draw(self.scene.seed, "delay", self._number)

    def _begin(self, asked: Asked, entry: Entry) -> None:
        name = asked.prompt_digest
        asked.times = self._times[name]
        self._times[name] += 1
        entry.model, entry.prompt = asked.model, name

    def _say(self, asked: Asked, identity: str) -> Said:
        self._minute.admit(asked, count(asked.prompt))
        if count(asked.prompt) > asked.card.context:
            raise too_long(count(asked.prompt), asked.card.context)
        rule = choose(self.rules, asked, self.scene.seed)
        refuse(rule, asked)
        said = self._judge(asked)
        said.model, said.identity = asked.model, identity
        change(rule, said, self.scene.seed, asked)
        self._spend(asked, said)
        return said

    def _judge(self, asked: Asked) -> Said:
        """The good answer, with the fields the schema asks for, in its order; other words if there is nothing to judge."""
        try:
            verdict = self.judge.judge(asked)
        except ValueError:
            return Said(
                "{}" if asked.fields else "Hello. There is nothing to compare here.", scenario="nothing to judge"
            )
        fields = verdict.fields()
        wanted = [name for name in asked.fields if name in FIELDS] or list(FIELDS)
        text = dumps({name: fields[name] for name in wanted})
        return Said(text, first=digest(verdict.first), second=digest(verdict.second), better=verdict.better)

    def _spend(self, asked: Asked, said: Said) -> None:
        """Count tokens; what is beyond the limit of the answer is not said."""
        cached, written = self._prefixes.cached(asked)
        thought = asked.card.thinking_tokens if asked.card.reasoning else 0
        if asked.max_tokens is not None and thought + count(said.text) > asked.max_tokens:
            left = max(0, asked.max_tokens - thought)
            said.text, said.finish, said.better = said.text[: left * 4], "length", ""
            thought = min(thought, asked.max_tokens)
        said.usage = Usage(count(asked.prompt), cached, written, thought + count(said.text), thought)

    def _finish(self, asked: Asked, said: Said, entry: Entry) -> None:
        usage = said.usage
        entry.scenario, entry.way = said.scenario, said.way
        entry.first, entry.second, entry.better = said.first, said.second, said.better
        entry.input_tokens, entry.cached_tokens, entry.written_tokens = usage.input, usage.cached, usage.written
        entry.output_tokens, entry.reasoning_tokens = usage.output, usage.reasoning
        entry.charged = price(asked.card, usage, batch=bool(asked.batch)) if said.charged else 0.0


def price(card: Card, usage: Usage, *, batch: bool = False) -> float:
    """What a call costs in US dollars; a batch costs its share of that."""
    fresh = usage.input - usage.cached - usage.written
    cost = (
        fresh * card.input + usage.cached * card.cached + usage.written * card.cache_write + usage.output * card.output
    )
    return cost / 1e6 * (card.batch if batch else 1.0)


def checked(rules: list[Rule]) -> list[Rule]:
    """The rules, if there is a scenario for each of them."""
    unknown = [rule.name for rule in rules if rule.name not in NAMES]
    if unknown:
        raise ValueError(f"There is no scenario {', '.join(unknown)}; there are {', '.join(sorted(NAMES))}.")
    return rules
