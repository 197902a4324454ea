"""Jobs of the batch APIs, whatever provider they are of: they run while they are looked at, then end as planned."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

from support.providers.answering import Answer, Answering
from support.providers.asked import Dialect
from support.providers.rules import draw
from support.providers.scene import BatchPlan

State = Literal["running", "cancelling", "ended"]


@dataclass(slots=True)
class Line:
    """One request of a job."""

    custom_id: str
    body: dict[str, Any]


@dataclass(slots=True)
class Result:
    """What became of one request; `answer` is None for one that never ran."""

    custom_id: str
    answer: Answer | None


@dataclass(slots=True)
class Job:
    """A job. `ends` is how it has ended or will; `told` are words of the provider's own."""

    identity: str
    dialect: Dialect
    lines: list[Line]
    ends: str
    created: float = field(default_factory=time.time)
    polls: int = 0
    state: State = "running"
    results: list[Result] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """How many requests were `answered`, `refused`, or are `unrun`, each counted once."""
        fates = {result.custom_id: fate(result) for result in self.results}
        return sum(fates.get(line.custom_id) == kind for line in self.lines)


def fate(result: Result) -> str:
    """What became of a request, in a word."""
    if result.answer is None:
        return "unrun"
    return "answered" if result.answer.said is not None else "refused"


class Jobs:
    """All jobs. Each look at a job takes it further."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._jobs: dict[str, Job] = {}
        self.plan: BatchPlan = answering.scene.batch

    def create(self, dialect: Dialect, lines: list[Line], form: str) -> Job:
        """A new job; `form` makes its name of a number."""
        job = Job(form.format(len(self._jobs) + 1), dialect, lines, self.plan.ends)
        self._jobs[job.identity] = job
        return job

    def find(self, identity: str, provider: str) -> Job | None:
        """A job of a provider as it stands."""
        job = self._jobs.get(identity)
        return job if job is not None and job.dialect.provider == provider else None

    def all(self, dialect: Dialect) -> list[Job]:
        """All jobs of a provider, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.dialect is dialect]

    def look(self, job: Job) -> Job:
        """One look at it; it has ended when it was looked at often enough."""
        if job.state == "ended":
            return job
        job.polls += 1
        if job.state == "cancelling":
            self._end(job, "cancelled")
        elif job.polls > self.plan.polls or job.ends == "failed":
            self._end(job, job.ends)
        return job

    def cancel(self, job: Job) -> Job:
        """Stop it, if it has not ended."""
        if job.state == "running":
            job.state = "cancelling"
        return job

    def _end(self, job: Job, ends: str) -> None:
        job.state, job.ends = "ended", ends
        if ends == "failed":
            return
        unrun = max(self.plan.unrun, 0.5 if ends == "cancelled" else 0.0)
        for place, line in enumerate(job.lines):
            if self._drawn("missing", place) < self.plan.missing:
                continue
            if self._drawn("unrun", place) < unrun:
                job.results.append(Result(line.custom_id, None))
            else:
                job.results += self._run(job, line, place)
        if self.plan.stranger and job.results:
            job.results.append(replace(job.results[0], custom_id="never-asked"))
        if self.plan.shuffled:
            Random(self._answering.scene.seed).shuffle(job.results)

    def _run(self, job: Job, line: Line, place: int) -> list[Result]:
        answer = self._answering.answer(job.dialect, line.body, line.custom_id, job.identity)
        results = [Result(line.custom_id, answer)]
        if self._drawn("twice", place) < self.plan.twice:
            results.append(Result(line.custom_id, answer))
        if self._drawn("contradicted", place) < self.plan.contradicted and answer.said and answer.said.better:
            results.append(Result(line.custom_id, contradicted(job.dialect, answer)))
        return results

    def _drawn(self, what: str, place: int) -> float:
        return draw(self._answering.scene.seed, what, place)


def contradicted(dialect: Dialect, answer: Answer) -> Answer:
    """The same answer with the other text as the better one."""
    assert answer.said is not None
    assert answer.asked is not None
    fields = json.loads(answer.said.text)
    fields["better"] = "2" if fields["better"] == "1" else "1"
    said = replace(answer.said, text=json.dumps(fields, ensure_ascii=False), better=fields["better"])
    return replace(answer, body=dialect.write(answer.asked, said), said=said)
