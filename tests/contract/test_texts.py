"""Texts of a request: sent along with it, or fetched from another service, which may be slow, down or wrong."""

import threading
from itertools import pairwise
from typing import Any

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.events.identity import job_id
from pairmark.judges import surface
from pairmark.outcome import in_the_way
from pairmark.services.assessment import fetching
from pairmark.services.assessment.batches import Batch
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import storage_id
from support.content import FakeContent, Script, cut, endless, ok, raw, silent, status
from support.contract import enter, request
from support.fetched import Make, again, asking_for
from support.system import books


def test_texts_come_from_the_service_and_are_what_is_judged(make: Make, content_service: FakeContent):
    """The surface judge prefers the longer text, so the ranking shows which text was read."""
    names = ["t/1", "t 2", "t3", "å"]
    for length, path in zip((3, 1, 4, 2), ["t%2F1", "t%202", "t3", "%C3%A5"], strict=True):
        content_service.has(path, "word " * length)
    system = make()
    batch = enter(system, asking_for(*names))
    assert batch.status is Status.COMPLETE_MAX_COMPARISONS, batch.error
    result = system.assessment.result(batch.id)
    assert result is not None
    assert [row[0] for row in result.scores] == ["essay-2", "essay-0", "essay-3", "essay-1"]
    assert sorted(content_service.asked()) == sorted(
        f"/v1/content/{path}" for path in ["t%2F1", "t%202", "t3", "%C3%A5"]
    )
    assert self_check(system.database).findings == []


def test_what_was_fetched_is_fetched_by_nobody_again(make: Make, content_service: FakeContent):
    for name in ("a", "b", "c"):
        content_service.has(name, f"text {name}")
    process = make()
    first = enter(process, asking_for("a", "b", entity_id="first"))
    process.close()
    second = enter(make(), asking_for("a", "b", "c", entity_id="second"))
    assert (first.status.is_complete, second.status.is_complete) == (True, True)
    assert sorted(content_service.asked()) == [f"/v1/content/{name}" for name in "abc"]


def test_texts_sent_along_need_no_service_and_are_judged(make: Make, content_service: FakeContent):
    """A text that is there is used whatever id stands beside it."""
    content_service.has("t", "word " * 9)
    essays = [
        {"essay_id": "short", "text": "one", "text_storage_id": "t"},
        {"essay_id": "long", "text": "one two three"},
        {"essay_id": "elsewhere", "text_storage_id": "t"},
    ]
    system = make()
    batch = enter(system, request(essays, design={"judge": "surface"}))
    result = system.assessment.result(batch.id)
    assert result is not None
    assert [row[0] for row in result.scores] == ["elsewhere", "long", "short"]
    with system.database.connect() as connection:
        kept = dict(execute(connection, "SELECT essay_id, text_storage_id FROM assessment.essay"))
    assert kept == {"short": storage_id("one"), "long": storage_id("one two three"), "elsewhere": "t"}


def test_the_id_of_another_service_never_hides_a_text_of_ours(make: Make, content_service: FakeContent):
    """Somebody's id may look like a digest; what is stored under a digest is the text that has it."""
    ours = "a text of ours"
    content_service.has(storage_id(ours), "something else")
    system = make()
    enter(system, asking_for(storage_id(ours), storage_id(ours), entity_id="before"))
    assert system.texts.fetch([storage_id(ours)]) == {storage_id(ours): "something else"}
    system.texts.put([ours])
    assert system.texts.fetch([storage_id(ours)]) == {storage_id(ours): ours}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (status(404), "the content service does not have it"),
        (endless(), "it has more than 4,000,000 bytes"),
        (ok("å".encode("latin-1")), "it cannot be read as utf-8"),
        (ok(b" \n"), "it is empty"),
    ],
    ids=["missing", "endless", "wrong charset", "empty"],
)
def test_a_text_that_cannot_be_had_ends_the_batch_by_its_name(
    make: Make, content_service: FakeContent, script: Script, said: str
):
    content_service.has("good", "a good text")
    content_service.play("bad", script)
    system = make()
    batch = enter(system, asking_for("good", "bad", "good"))
    assert (batch.status, batch.stop_reason) == (Status.ERROR_ESSAY_PROCESSING, StopReason.TEXTS_UNUSABLE)
    assert batch.error == f"1 of 3 texts cannot be used: essay-1 ({said})."
    assert len(content_service.asked()) == 2
    assert system.entitlements.view(str(batch.id))["released"] == batch.budget
    assert self_check(system.database).findings == []


def test_many_texts_that_cannot_be_had_are_counted(make: Make):
    batch = enter(make(), asking_for(*(f"gone-{k}" for k in range(9))))
    assert batch.error is not None
    assert batch.error.startswith("9 of 9 texts cannot be used: essay-0 (")
    assert batch.error.endswith("and 4 more.")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (status(500), "the content service answers with status 500"),
        (status(401), "the content service answers with status 401"),
        (cut(b"half", 100), "the content service breaks off"),
        (raw(b""), "the content service breaks off"),
        (status(302, "Location: http://elsewhere.example/"), "another host"),
    ],
    ids=["500", "401", "cut", "hung up", "other host"],
)
def test_trouble_of_the_service_makes_the_batch_wait_and_go_on(
    make: Make, content_service: FakeContent, clock: ManualClock, script: Script, said: str
):
    """What came before is not fetched again; the reason is seen; nothing is asked until the pause is over."""
    content_service.has("good", "a good text")
    content_service.play("bad", script)
    system = make()
    batch = enter(system, asking_for("good", "bad"))
    assert batch.status is Status.FETCHING_CONTENT
    obstacle = in_the_way(system, str(batch.id), batch.entity_id)
    assert obstacle is not None
    assert not obstacle.lasting
    assert obstacle.sentence.startswith("1 texts have not come yet: ")
    assert said in obstacle.sentence
    before = len(content_service.asked())
    assert again(system, clock, batch, 0.1).status is Status.FETCHING_CONTENT
    assert len(content_service.asked()) == before
    content_service.has("bad", "now a good text, too")
    done = again(system, clock, batch)
    assert done.status.is_complete, done.error
    assert content_service.asked().count("/v1/content/good") == 1
    assert in_the_way(system, str(batch.id), batch.entity_id) is None
    assert self_check(system.database).findings == []


def test_a_service_that_stays_down_ends_the_batch_at_its_deadline_with_the_reason(
    make: Make, content_service: FakeContent, clock: ManualClock
):
    content_service.play("t", status(503))
    system = make()
    batch = enter(system, asking_for("t", "t"))
    for _ in range(40):
        batch = again(system, clock, batch, 420)
    assert (batch.status, batch.stop_reason) == (Status.ERROR_PROCESSING, StopReason.DEADLINE_PASSED)
    assert batch.error == (
        "Nothing moved in status FETCHING_CONTENT until the deadline: "
        "2 texts have not come yet: the content service answers with status 503."
    )
    assert 10 < len(content_service.asked()) < 40
    assert self_check(system.database).findings == []


def test_pauses_grow_to_their_limit_and_a_service_may_ask_for_longer_ones(
    make: Make, content_service: FakeContent, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    content_service.play("t", status(500))
    content_service.has("u", "another text")
    system = make()
    assert system.fetching is not None
    monkeypatch.setattr(system.fetching, "_spread", lambda: 0.5)
    batch = enter(system, asking_for("t", "u"))
    moments = [clock.monotonic()]
    for _ in range(40):
        number = len(content_service.asked())
        clock.advance(0.25)
        system.fetching.step()
        if len(content_service.asked()) > number:
            moments.append(clock.monotonic())
    assert [then - now for now, then in pairwise(moments)] == [0.5, 1.0, 2.0, 4.0]
    content_service.play("t", status(429, "Retry-After: 200"), ok(b"text"))
    again(system, clock, batch, 10)
    assert again(system, clock, batch, 190).status is Status.FETCHING_CONTENT
    assert again(system, clock, batch, 10).status.is_complete


def test_a_batch_whose_service_fails_holds_up_no_other(make: Make, content_service: FakeContent, clock: ManualClock):
    content_service.play("poison", status(500))
    for name in ("a", "b"):
        content_service.has(name, f"text {name}")
    system = make()
    poisoned = enter(system, asking_for("poison", "a"))
    other = enter(system, asking_for("a", "b"))
    inline = enter(system, request([{"essay_id": "x", "text": "x"}, {"essay_id": "y", "text": "y"}]))
    assert again(system, clock, poisoned).status is Status.FETCHING_CONTENT
    assert again(system, clock, other).status.is_complete
    assert inline.status.is_complete


def test_where_the_service_is_dead_every_batch_says_why_it_waits(
    make: Make, content_service: FakeContent, clock: ManualClock
):
    """Five batches of thirty texts: one short round speaks for all."""
    system = make()
    content_service.close()
    waiting = [
        enter(system, asking_for(*(f"{number}-{k}" for k in range(30)), entity_id=f"batch {number}"))
        for number in range(5)
    ]
    again(system, clock, waiting[0])
    for batch in waiting:
        obstacle = in_the_way(system, str(batch.id), batch.entity_id)
        assert obstacle is not None
        assert "cannot be reached" in obstacle.sentence


def test_at_most_eight_texts_are_asked_for_at_once_outside_any_transaction(
    make: Make, content_service: FakeContent, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetching, "ROUND", 16)
    together, states = threading.Barrier(8, timeout=20), []
    number = 32

    def answer(line: Any) -> None:
        if together.wait() == 0:
            with database.connect() as connection:
                states.extend(execute(connection, "SELECT state, count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                                  "AND state LIKE 'idle in%' GROUP BY 1"))  # fmt: skip
        together.wait()
        ok(b"a text")(line)

    for k in range(number):
        content_service.play(f"t{k}", answer)
    batch = enter(make(), asking_for(*(f"t{k}" for k in range(number))))
    assert batch.status.is_complete, batch.error
    assert content_service.most_at_once == 8
    assert states == []
    assert len(content_service.asked()) == number


def test_a_cancelled_batch_is_fetched_no_more(make: Make, content_service: FakeContent, clock: ManualClock):
    content_service.play("t", status(500))
    system = make()
    batch = enter(system, asking_for("t", "t"))
    system.finalization.cancel(batch.id, "a test")
    asked = len(content_service.asked())
    assert again(system, clock, batch).status is Status.CANCELLED
    assert len(content_service.asked()) == asked


def test_a_stop_does_not_wait_for_a_slow_service_and_blames_nobody(make: Make, content_service: FakeContent):
    system = make()
    asked = threading.Event()

    def answer(line: Any) -> None:
        asked.set()
        silent(b"HTTP/1.1 200 OK\r\n", content_service.stopped)(line)

    content_service.play("t", answer)
    entered = threading.Thread(target=enter, args=[system, asking_for("t", "t", entity_id="slow")])
    entered.start()
    assert asked.wait(20)
    assert system.fetching is not None
    system.fetching.stop()
    entered.join(10)
    assert not entered.is_alive()
    assert system.assessment.awaited(job_id("slow")) is None
    content_service.has("t", "text")
    system.fetching.go_on()
    system.drain()
    batch = system.assessment.batch(job_id("slow"))
    assert batch is not None
    assert batch.status.is_complete


def test_a_comparison_whose_text_is_gone_brings_no_verdict(make: Make, monkeypatch: pytest.MonkeyPatch):
    """A judge that is shown nothing would still prefer something."""
    system = make()
    monkeypatch.setattr(surface.SurfaceJudge, "in_sets", True, raising=False)
    essays = [{"essay_id": name, "text": f"text {name}"} for name in "abc"]
    data = request(essays, design={"judge": "surface", "success_rate": 0.0})
    monkeypatch.setattr(system.asker, "_texts", _Forgetful(system))
    batch = enter(system, data)
    assert (batch.status, batch.counted) == (Status.ERROR_PROCESSING, 0)
    assert books(system.database, batch_ticket(batch)).charged == 0


class _Forgetful:
    """A store that has lost a text."""

    def __init__(self, system: System) -> None:
        self._store = system.texts

    def fetch(self, storage_ids: Any) -> dict[str, str]:
        return {}


def batch_ticket(batch: Batch) -> Any:
    from pairmark.services.lifecycle.front_desk import Ticket  # noqa: PLC0415

    return Ticket(batch.entity_id, batch.id, 1, opened=True)
