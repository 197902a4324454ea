"""Which process fetches texts of another service, and when: with others, after others, once a night, and whatever is answered."""

from typing import Any

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.domain.statuses import Status, StopReason
from pairmark.errors import Busy
from pairmark.outcome import in_the_way
from pairmark.services.assessment import content, fetching
from pairmark.storage.connection import Database, execute
from pairmark.working import work_once
from support.content import FakeContent, status
from support.contract import enter, request
from support.fetched import Make, again, asking_for


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
