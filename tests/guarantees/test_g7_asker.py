"""G7 and G10 for those who ask: slow, broken and missing judges; nothing is asked twice, and nobody's batch is answered for him."""

from collections.abc import Sequence

import pytest

from pairmark.bootstrap import System, judge_for
from pairmark.errors import BadRequest, BrokenData
from pairmark.judges.question import Answer, Judge, Question
from pairmark.judges.spec import parse_judge
from pairmark.services.judging import asker as asker_module
from pairmark.services.judging.asker import UNABLE_SECONDS, Asker
from pairmark.services.judging.verdicts import Verdicts
from support.callbacks import settle
from support.faults import rows
from support.system import JUDGE, books, submit

NOT_CLOSED = "SELECT count(*) FROM judging.chunk WHERE open"
VERDICTS = "SELECT kind, count(*) FROM judging.verdict GROUP BY 1"


class Watched:
    """The simulated judge; something may happen while it thinks."""

    name, may_grade = "watched", False

    def __init__(self, meanwhile, *, in_sets=False):
        self.in_sets = in_sets
        self.asked: list[str] = []
        self._inner: Judge = judge_for(JUDGE, "")
        self._meanwhile = meanwhile

    def check(self, essay_ids: Sequence[str]) -> None:
        self._inner.check(essay_ids)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked += [one.request_id for one in questions]
        self._meanwhile(len(self.asked))
        return self._inner.ask(questions)


def asker_with(system: System, clock, factory) -> Asker:
    return Asker(system.database, system.texts, factory, Verdicts(system.database, clock), clock)


@pytest.mark.parametrize("in_sets", [False, True])
def test_g7_chunks_of_a_slow_judge_stay_leased_while_it_thinks(system, database, clock, monkeypatch, in_sets):
    """While the first question is thought about, a lease that nobody renewed would run out; nobody else may ask the rest."""
    monkeypatch.setattr(asker_module, "CONCURRENCY", 1)
    monkeypatch.setattr(asker_module, "RENEW_SECONDS", 0.02)
    submit(system, 6, stability_threshold=0.0)
    settle(system)
    other = asker_with(system, clock, judge_for)
    taken = []

    def think(number: int) -> None:
        if number == (30 if in_sets else 1):
            with database.connect() as connection:
                connection.execute("UPDATE judging.chunk SET lease_until = clock_timestamp() + interval '50 ms'")
                clock.advance(1)
                connection.execute("SELECT pg_sleep(0.2)")
        taken.append(other.step())

    judge = Watched(think, in_sets=in_sets)
    slow = asker_with(system, clock, lambda name, digest: judge)
    assert slow.step() == len(judge.asked) > 0
    assert set(taken) == {0}
    assert len(judge.asked) == len(set(judge.asked))
    for one in (slow, other):
        one.close()


@pytest.mark.parametrize("in_sets", [False, True])
def test_g10_a_judge_that_raises_is_a_failed_try_and_the_batch_ends(system, database, clock, in_sets):
    """Also one that is asked in sets: its trouble is the batch's, not the process's."""
    ticket = submit(system, 4, stability_threshold=0.0)

    def broken(number: int) -> None:
        raise RuntimeError("planted")

    judge = Watched(broken, in_sets=in_sets)
    asking = asker_with(system, clock, lambda name, digest: judge)
    for _ in range(60):
        settle(system)
        asking.step()
        clock.advance(60)
    asking.close()
    assert books(database, ticket).status == "ERROR_PROCESSING"
    assert {row[0] for row in rows(database, VERDICTS)} == {"failed"}
    assert rows(database, "SELECT DISTINCT detail FROM judging.call") == [("RuntimeError: planted",)]


@pytest.mark.parametrize("error", [BadRequest, BrokenData])
def test_g10_a_process_that_cannot_have_the_judge_leaves_the_batch_to_others(system, database, clock, error):
    ticket, other = submit(system, 4, stability_threshold=0.0), submit(system, 4, stability_threshold=0.0, seed=2)
    settle(system)

    def factory(name: str, digest: str) -> Judge:
        raise error("The file votes.csv is not here.")

    unable = asker_with(system, clock, factory)
    assert unable.step() == 0
    assert unable.step() == 0
    assert rows(database, "SELECT sum(tries), count(lease_token) FROM judging.chunk") == [(0, 0)]
    assert rows(database, VERDICTS) == []
    told = unable.trouble(str(ticket.job_id))
    assert "votes.csv is not here" in str(told)
    assert unable.trouble("another batch") is None
    system.drain()
    assert {books(database, one).status for one in (ticket, other)} == {"COMPLETE_MAX_COMPARISONS"}
    unable.close()


def test_g10_a_judge_that_comes_back_is_asked_by_the_same_process(system, database, clock):
    ticket, here = submit(system, 4, stability_threshold=0.0), []
    settle(system)

    def factory(name: str, digest: str) -> Judge:
        if not here:
            raise BadRequest("Not here yet.")
        return judge_for(name, digest)

    asking = asker_with(system, clock, factory)
    assert asking.step() == 0
    here.append(True)
    assert asking.step() == 0
    clock.advance(UNABLE_SECONDS)
    assert asking.step() > 0
    assert asking.trouble(str(ticket.job_id)) is None
    asking.close()


def test_g10_a_batch_whose_judge_is_gone_is_told_and_given_up_with_nothing_lost(system, database, monkeypatch, clock):
    """The only process there cannot ask: the person at the command line hears why, and the batch stays as it is."""
    from pairmark import watch  # noqa: PLC0415 - only here

    def factory(name: str, digest: str) -> Judge:
        raise BadRequest("The file votes.csv is not here.")

    monkeypatch.setattr(watch, "PATIENCE", 0.2)
    monkeypatch.setattr(system.asker, "_judge_factory", factory)
    ticket, told = submit(system, 4, stability_threshold=0.0), []
    with pytest.raises(watch.Busy, match=r"votes\.csv is not here"):
        watch.run(system, ticket, lambda progress: told.append(progress.trouble))
    assert any("votes.csv is not here" in (one or "") for one in told)
    assert books(database, ticket).status == "PERFORMING_COMPARISONS"
    monkeypatch.setattr(system.asker, "_judge_factory", judge_for)
    clock.advance(UNABLE_SECONDS)
    watch.run(system, ticket)  # the same system runs a second time
    assert books(database, ticket).status == "COMPLETE_MAX_COMPARISONS"


def test_g7_chunks_of_a_batch_that_ends_while_it_is_asked_are_handed_back(system, database, clock, monkeypatch):
    monkeypatch.setattr(asker_module, "CONCURRENCY", 1)
    ticket = submit(system, 6, stability_threshold=0.0)
    settle(system)

    def cancel(number: int) -> None:
        if number == 2:
            system.finalization.cancel(ticket.job_id, "a test")
            settle(system)

    judge = Watched(cancel)
    asking = asker_with(system, clock, lambda name, digest: judge)
    asking.step()
    assert len(judge.asked) == 2
    assert rows(database, "SELECT count(*) FROM judging.chunk WHERE lease_token IS NOT NULL") == [(0,)]
    asking.close()


def test_g10_a_judge_is_found_where_the_same_one_was_offered(system, database, clock):
    """A batch was begun with a file that has moved since; whoever goes on says where it is now."""
    submit(system, 4, stability_threshold=0.0)
    settle(system)

    def factory(name: str, digest: str) -> Judge:
        if name != "where it is now":
            raise BadRequest("The file is gone.")
        return judge_for(JUDGE, digest)

    asking = asker_with(system, clock, factory)
    asking.offer("where it is now", parse_judge(JUDGE).digest)
    assert asking.step() > 0
    asking.close()
