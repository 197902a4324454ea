"""Asking a language model its canaries, once in a batch before its first question there, and suspending one that fails them.

They are calls like any other: in the book, paid from the purse. A run that could not be finished goes on with the verdicts that the
book has of it. What the canaries are, and what failing is, stands in `judges.llm.canaries`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import msgspec

from pairmark.clock import Clock
from pairmark.judges.llm.canaries import Canary, Finding, canaries, findings, reason_to_suspend
from pairmark.judges.question import Answer, Forecast, JudgeUnable, ModelJudge
from pairmark.services.judging import calls
from pairmark.services.judging.calls import Calls, Entry
from pairmark.storage.connection import Database, Tx, execute

CANARIES = UUID("4f0a7c61-2d53-5f3e-9a1c-8a7be0c5d3f2")
PATIENCE_SECONDS = 5.0
LONGEST_RUN = timedelta(minutes=10)
"""After so long another asker may ask the canaries of one that has not concluded."""

CLAIM = """
INSERT INTO canary_run (batch_id, judge_digest, judge, asker, begun_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (batch_id, judge_digest) DO NOTHING RETURNING asker
"""
FOUND = "SELECT suspended, reason, asker, begun_at FROM canary_run WHERE batch_id = %s AND judge_digest = %s"
TAKE_OVER = """
UPDATE canary_run SET asker = %s, begun_at = %s WHERE batch_id = %s AND judge_digest = %s AND asker = %s AND suspended IS NULL
RETURNING asker
"""
GIVE_UP = "DELETE FROM canary_run WHERE batch_id = %s AND judge_digest = %s AND asker = %s AND suspended IS NULL"
CONCLUDE = """
UPDATE canary_run SET suspended = %s, reason = %s, findings = %s::jsonb, ended_at = %s
WHERE batch_id = %s AND judge_digest = %s AND suspended IS NULL RETURNING reason
"""

Asked = Sequence[tuple[Canary, Entry]]
Flying = dict[Future[list[Answer]], tuple[Canary, Entry]]


class Elsewhere(Exception):
    """Another process asks these canaries now."""


class Unaffordable(Exception):
    """The purse does not hold what the canaries may cost: `most` US dollars, None where no price is known."""

    def __init__(self, most: float | None) -> None:
        super().__init__(most)
        self.most = most


class Canaries:
    """Canaries of one asker. `gone` tells whether another asker's process has ended."""

    def __init__(
        self, database: Database, calls_: Calls, clock: Clock, token: UUID, gone: Callable[[UUID], bool]
    ) -> None:
        self._database = database
        self._calls = calls_
        self._clock = clock
        self._token = token
        self._gone = gone

    def reason_to_suspend(
        self,
        batch_id: str,
        judge: ModelJudge,
        member: Forecast,
        pool: ThreadPoolExecutor,
        meanwhile: Callable[[], None],
    ) -> str:
        """Why this member may not judge this batch; empty if it may. Asks its canaries if nobody has yet.

        Raises `Elsewhere`, `Unaffordable` or `JudgeUnable` when that cannot be told now.
        """
        known = self._known_or_claimed(batch_id, member)
        if known is not None:
            return known
        asked = [(canary, self._entry(batch_id, member, judge, canary)) for canary in canaries()]
        had = self._calls.verdicts_of([entry.request_id for _, entry in asked], "canary")
        told = [(canary, had[entry.request_id]) for canary, entry in asked if entry.request_id in had]
        wanted = [(canary, entry) for canary, entry in asked if entry.request_id not in had]
        flying = self._begin(batch_id, judge, member, pool, wanted) if wanted else {}
        while wait(flying, timeout=PATIENCE_SECONDS).not_done:
            meanwhile()
        meanwhile()  # a judge that was closed has failed no canary, and passed none
        return self._conclude(batch_id, member, flying, told)

    def _known_or_claimed(self, batch_id: str, member: Forecast) -> str | None:
        """What was found before, or None: it is for us to find out."""
        now = self._clock.now()
        with self._database.transaction("judging") as tx:
            if execute(tx, CLAIM, [batch_id, member.digest, member.judge, self._token, now]):
                return None
            suspended, reason, asker, begun_at = execute(tx, FOUND, [batch_id, member.digest])[0]
        if suspended is not None:
            return str(reason)
        if asker == self._token:
            return None
        taking = [self._token, now, batch_id, member.digest, asker]
        given_up = now - begun_at > LONGEST_RUN or self._gone(asker)  # a process that was stopped is not gone
        if given_up and self._database.at_once("judging", TAKE_OVER, taking):
            return None
        raise Elsewhere

    def _begin(
        self, batch_id: str, judge: ModelJudge, member: Forecast, pool: ThreadPoolExecutor, asked: Asked
    ) -> Flying:
        paid = self._calls.begin(batch_id, [entry for _, entry in asked])
        if len(paid) < len(asked):
            self._calls.never_made(list(paid))
            self._give_up(batch_id, member)
            costs = [entry.forecast.cost for _, entry in asked]
            raise Unaffordable(None if None in costs else sum(cost for cost in costs if cost is not None))
        flying: Flying = {}
        for canary, entry in asked:
            question = replace(
                canary.question, request_id=str(entry.request_id), call_id=str(entry.id), member=member.digest
            )
            flying[pool.submit(judge.ask, [question])] = (canary, entry)
        return flying

    def _entry(self, batch_id: str, member: Forecast, judge: ModelJudge, canary: Canary) -> Entry:
        request = uuid5(CANARIES, f"{batch_id}\x1f{member.digest}\x1f{canary.kind}\x1f{canary.canary_first}")
        asked = replace(canary.question, request_id=str(request), member=member.digest)
        forecast = judge.forecast(asked) or member
        question = canary.question
        return Entry(
            uuid4(), batch_id, request, 1, 1, forecast, question.repeat, question.first_id, question.second_id, "canary"
        )

    def _conclude(
        self, batch_id: str, member: Forecast, flying: Flying, before: Sequence[tuple[Canary, Answer]]
    ) -> str:
        unable = [error for error in (future.exception() for future in flying) if isinstance(error, JudgeUnable)]
        told = [(canary, entry, _answer(future)) for future, (canary, entry) in flying.items()]
        answered = [(canary, entry, answer) for canary, entry, answer in told if answer is not None]
        self._calls.never_made([entry.id for _, entry, answer in told if answer is None])
        found = findings([*before, *((canary, answer) for canary, _, answer in answered)])
        reason = reason_to_suspend(member.judge, found)
        now = self._clock.now()
        with self._database.transaction("judging") as tx:
            calls.end(tx, [(entry, answer) for _, entry, answer in answered], now)
            if not unable:
                reason = self._recorded(tx, batch_id, member, found, reason)
        if unable:
            self._give_up(batch_id, member)
            raise unable[0]
        return reason

    def _recorded(self, tx: Tx, batch_id: str, member: Forecast, found: Sequence[Finding], reason: str) -> str:
        """Why the member is suspended, as it stands then: whoever concludes first decides."""
        told = msgspec.json.encode(list(found)).decode()
        concluded = execute(tx, CONCLUDE, [bool(reason), reason, told, self._clock.now(), batch_id, member.digest])
        return str((concluded or [execute(tx, FOUND, [batch_id, member.digest])[0][1:]])[0][0])

    def _give_up(self, batch_id: str, member: Forecast) -> None:
        self._database.at_once("judging", GIVE_UP, [batch_id, member.digest, self._token])


def _answer(future: Future[list[Answer]]) -> Answer | None:
    """What came of a call; None if it was not made. One that raised or said nothing is a failure at an unknown cost."""
    error = future.exception()
    if isinstance(error, JudgeUnable):
        return None
    given = [] if error else future.result()
    if given and given[0].winner != "tie":
        return given[0]
    detail = f"{type(error).__name__}: {error}" if error else "the judge gave no answer"
    return Answer("", "failed", None, False, "", "", "", detail=detail[:500])
