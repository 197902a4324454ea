"""Texts of a request: sent along with it, or fetched from another service, which may be slow, down or wrong."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import Busy
from pairmark.events.identity import job_id
from pairmark.judges import surface
from pairmark.outcome import in_the_way
from pairmark.services.assessment import content, fetching
from pairmark.services.assessment.batches import Batch
from pairmark.storage.connection import Database, execute
from pairmark.storage.texts import storage_id
from pairmark.working import work_once
from support.content import FakeContent, Script, cut, endless, ok, raw, silent, status
from support.contract import enter, request
from support.system import books

Make = Callable[[], System]


@pytest.fixture
def make(database: Database, clock: ManualClock, content_service: FakeContent) -> Iterator[Make]:
    """Processes over one database that fetch from the service."""
    made: list[System] = []

    def one() -> System:
        made.append(System(database, clock=clock, content=content_service.access))
        made[-1].accounts.ensure_default()
        return made[-1]

    yield one
    for system in made:
        system.close()


def asking_for(*identities: str, **fields: Any) -> dict[str, Any]:
    """A request that names its texts by these ids."""
    essays = [{"essay_id": f"essay-{k}", "text_storage_id": one} for k, one in enumerate(identities)]
    return request(essays, design={"judge": "surface"}) | fields


def again(system: System, clock: ManualClock, batch: Batch, seconds: float = 100) -> Batch:
    """Let time pass and everything happen that then may."""
    clock.advance(seconds)
    system.drain()
    now = system.assessment.batch(batch.id)
    assert now is not None
    return now


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


def test_a_worker_that_runs_once_a_night_fetches_before_it_gives_up(
    make: Make, content_service: FakeContent, clock: ManualClock
):
    """Nobody was there in between, so that time counts for no deadline."""
    content_service.play("t", status(503))
    first = make()
    batch = enter(first, asking_for("t", "t"))
    work_once(first)
    first.close()
    clock.advance(86_400)
    content_service.has("t", "text")
    second = make()
    assert work_once(second) > 0
    now = second.assessment.batch(batch.id)
    assert now is not None
    assert now.status.is_complete, now.error


def test_what_is_overdue_has_its_turn_before_the_monitor_gives_it_up(
    make: Make, content_service: FakeContent, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """A process was there all the time; the service comes back in the last moment, and its texts take several rounds."""
    monkeypatch.setattr(fetching, "ROUND", 2)
    names = [f"t{k}" for k in range(6)]
    for name in names:
        content_service.play(name, status(503))
    system = make()
    batch = enter(system, asking_for(*names))
    for _ in range(28):
        clock.advance(500)
        system.monitor.step()
    for name in names:
        content_service.has(name, f"text {name}")
    clock.advance(500)
    work_once(system)
    now = system.assessment.batch(batch.id)
    assert now is not None
    assert now.status.is_complete, now.error


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


def test_only_one_process_asks_the_service(make: Make, content_service: FakeContent, clock: ManualClock):
    content_service.play("t", status(500))
    first, second = make(), make()
    batch = enter(first, asking_for("t", "t"))
    asked = len(content_service.asked())
    clock.advance(100)
    second.drain()
    assert len(content_service.asked()) == asked
    first.close()
    content_service.has("t", "text")
    assert again(second, clock, batch).status.is_complete


def test_a_process_whose_lock_went_with_its_connection_asks_no_more(
    make: Make, content_service: FakeContent, clock: ManualClock, database: Database
):
    """Another one has taken its place before it noticed."""
    content_service.play("t", status(500))
    first, second = make(), make()
    batch = enter(first, asking_for("t", "t"))
    with database.connect() as connection:
        ended = execute(connection, "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                                    "AND (classid::bigint << 32) | objid::bigint = hashtextextended('fetching', 1)")  # fmt: skip
    assert ended == [(True,)]
    assert first.fetching is not None
    assert second.fetching is not None
    second.fetching.step()
    asked = len(content_service.asked())
    clock.advance(100)
    with pytest.raises(Busy):
        first.fetching.step()
    assert first.fetching.step() == 0
    assert len(content_service.asked()) == asked
    content_service.has("t", "text")
    assert second.fetching.step()
    assert again(first, clock, batch).status.is_complete


def test_a_process_without_the_service_leaves_texts_to_those_that_fetch(
    make: Make, content_service: FakeContent, clock: ManualClock, system: System
):
    """Also when it is the first to look at them."""
    system.drain()
    worker = make()
    assert worker.fetching is not None
    assert worker.fetching.step() == 0
    batch = enter(system, asking_for("t", "u"))
    assert batch.status is Status.FETCHING_CONTENT
    assert system.assessment.awaited(batch.id) is None
    for name in ("t", "u"):
        content_service.has(name, f"text {name}")
    assert worker.fetching.step()
    assert again(system, clock, batch).status.is_complete


def test_where_texts_were_ever_fetched_they_are_waited_for_while_nobody_fetches(
    make: Make, content_service: FakeContent, clock: ManualClock, system: System
):
    for name in ("t", "u"):
        content_service.has(name, f"text {name}")
    worker = make()
    enter(worker, asking_for("t", "t", entity_id="before"))
    worker.close()
    batch = enter(system, asking_for("t", "u"))
    assert batch.status is Status.FETCHING_CONTENT
    obstacle = in_the_way(system, str(batch.id), batch.entity_id)
    assert obstacle is not None
    assert obstacle.sentence.startswith(f"1 texts have not come yet: {content.NOBODY_FETCHES}")
    another = make().fetching
    assert another is not None
    assert another.step()
    assert again(system, clock, batch).status.is_complete
    assert self_check(system.database).findings == []


def test_where_nobody_ever_fetched_a_text_that_is_not_there_ends_the_batch(system: System):
    batch = enter(system, asking_for("t", "u"))
    assert batch.stop_reason == StopReason.TEXTS_UNUSABLE
    assert batch.error is not None
    assert "the text store does not have it" in batch.error


def test_an_answer_nobody_foresaw_holds_up_its_own_batch_only(
    make: Make, content_service: FakeContent, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    for name in ("a", "b", "strange"):
        content_service.has(name, f"text {name}")
    system = make()
    assert system.fetching is not None
    real = system.fetching._source.get

    def get(identity: str) -> str:
        if identity == "strange":
            raise OverflowError
        return real(identity)

    monkeypatch.setattr(system.fetching._source, "get", get)
    strange = enter(system, asking_for("strange", "a"))
    other = enter(system, asking_for("a", "b"))
    assert again(system, clock, strange).status is Status.FETCHING_CONTENT
    assert again(system, clock, other).status.is_complete
    obstacle = in_the_way(system, str(strange.id), strange.entity_id)
    assert obstacle is not None
    assert "is not understood" in obstacle.sentence
    monkeypatch.undo()
    assert again(system, clock, strange).status.is_complete


def test_texts_are_looked_at_in_portions(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(content, "PORTION", 3)
    system = make()
    portions: list[int] = []
    real = system.texts.fetch

    def fetch(storage_ids: Any) -> dict[str, str]:
        wanted = list(storage_ids)
        portions.append(len(wanted))
        return real(wanted)

    monkeypatch.setattr(system.texts, "fetch", fetch)
    essays = [{"essay_id": f"e{k}", "text": "word " * (k + 1)} for k in range(8)]
    batch = enter(system, request(essays, design={"judge": "surface"}))
    assert batch.status.is_complete, batch.error
    assert portions[:3] == [3, 3, 2]
    with system.database.connect() as connection:
        noted = execute(connection, "SELECT words, problem FROM assessment.essay ORDER BY essay_id")
    assert noted == [(k + 1, None) for k in range(8)]


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
