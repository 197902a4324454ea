"""Stopped anywhere and run again, the command goes on: no comparison is asked twice, the batch is announced and charged once."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Done, Pairmark, Running, data_folder, essays, write_texts
from support.sizes import size

CLEAN = {"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []}
JUDGE = "simulated:sd=1,seed=3,delay_ms=40"
ESSAYS = size(10, 35)
BUDGET = 10 * ESSAYS  # 20 comparisons per essay, two essays each
PROMPT = 2.0  # seconds from Ctrl-C to the prompt, on an idle machine
GENEROUS = 3
ANSWERED = "SELECT id::text FROM assessment.batch WHERE name = %s AND answered >= %s"


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture
def words(tmp_path: Path, request: pytest.FixtureRequest) -> list[str | Path]:
    """The command under test; its batch has the name of the test."""
    texts = write_texts(tmp_path / "texts.csv", essays(ESSAYS))
    return ["assess", texts, "--judge", JUDGE, "--name", request.node.name, "--out", tmp_path / "out"]


def reach(pairmark: Pairmark, name: str, answered: int) -> str:
    """Wait until that many comparisons are answered; the batch's id."""
    return str(pairmark.wait_for(ANSWERED, name, answered)[0][0])


def check_books(pairmark: Pairmark, done: Done, out: Path) -> dict[str, Any]:
    """Nothing was asked, announced or charged twice; the result as it was written."""
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    batch = result["batch_id"]
    assert result["comparisons"] == result["credits"]["charged"] == BUDGET
    assert result["self_check"] == CLEAN
    assert all(number == 1 for event, number in result["events"].items() if "completed" in event or "consum" in event)
    asked = """SELECT count(*), count(DISTINCT v.request_id) FROM judging.verdict v
        JOIN judging.chunk c ON c.id = v.chunk_id WHERE c.batch_id = %s"""
    assert pairmark.rows(asked, batch) == [(BUDGET, BUDGET)]
    captures = "SELECT count(*) FROM entitlements.ledger WHERE batch_id = %s AND kind = 'capture'"
    assert pairmark.rows(captures, batch) == [(1,)]
    return result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "term", "kill-9"])
def test_a_stopped_command_goes_on_where_it_was(
    pairmark: Pairmark, words: list[str | Path], number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    name, out = request.node.name, Path(words[-1])
    for answered in (1, BUDGET // 6, BUDGET // 3):
        before = pairmark.rows("SELECT answered FROM assessment.batch WHERE name = %s", name)
        with pairmark.started(*words) as running:
            batch = reach(pairmark, name, max(answered, *(row[0] + 1 for row in before), 1))  # it has begun its work
            running.signal(number)
            stopped = running.end()
        assert stopped.code == (-number if number is signal.SIGKILL else 128 + number)
        assert not out.exists()
    done = pairmark.run(*words)
    assert "Going on where it stopped" in done.err
    assert check_books(pairmark, done, out)["batch_id"] == batch


def test_a_stop_takes_no_time_and_one_sentence(pairmark: Pairmark, words: list[str | Path]) -> None:
    with pairmark.started(*words) as running:
        reach(pairmark, str(words[5]), 5)
        begun = time.monotonic()
        running.signal(signal.SIGINT)
        done = running.end()
        assert time.monotonic() - begun < PROMPT * GENEROUS
    assert done.code == 130
    assert done.err.strip().splitlines()[-1] == "pairmark: Stopped. The same command goes on where it was."
    assert "Traceback" not in done.err


def test_a_second_ctrl_c_ends_it_at_once(pairmark: Pairmark, words: list[str | Path]) -> None:
    words[3] = "simulated:sd=1,seed=3,delay_ms=4000"
    write_texts(Path(words[1]), essays(40))
    # More questions than are asked at once: when eight answers are stored, others are out for four seconds.
    stored = """SELECT count(*) FROM judging.verdict v JOIN judging.chunk c ON c.id = v.chunk_id
        JOIN assessment.batch b ON b.id::text = c.batch_id WHERE b.name = %s HAVING count(*) >= 8"""
    with pairmark.started(*words) as running:
        pairmark.wait_for(stored, words[5])
        running.signal(signal.SIGINT)
        read_until(running, "press Ctrl-C again to stop at once")
        begun = time.monotonic()
        running.signal(signal.SIGINT)
        done = running.end()
        assert time.monotonic() - begun < PROMPT
    assert done.code == 130
    assert pairmark.run("cancel", str(words[5])).code == 0  # else every later command would work on it too


def read_until(running: Running, sentence: str) -> None:
    """Read its stderr up to a line with the sentence."""
    assert running.process.stderr is not None
    assert any(sentence in line for line in running.process.stderr)


def test_a_result_written_by_another_run_is_shown_without_any_work(pairmark: Pairmark, words: list[str | Path]) -> None:
    first = check_books(pairmark, pairmark.run(*words), Path(words[-1]))
    done = pairmark.run(*words)
    assert "its stored result follows" in done.err
    assert check_books(pairmark, done, Path(words[-1])) == first


def test_two_processes_at_one_batch_end_with_the_same_result(pairmark: Pairmark, words: list[str | Path]) -> None:
    words[3] = "simulated:sd=1,seed=3,delay_ms=400"
    one, two = Path(words[-1]), Path(words[-1]).with_name("two")
    with pairmark.started(*words) as first:
        reach(pairmark, str(words[5]), 1)
        with pairmark.started(*words[:-1], two) as second:
            ended = [first.end(), second.end()]
    results = [check_books(pairmark, done, out) for done, out in zip(ended, (one, two), strict=True)]
    assert results[0] == results[1]
    assert "Another pairmark process is working on this batch; watching" in ended[1].err
    assert "Another pairmark process" not in ended[0].err


def test_a_watcher_takes_over_when_the_worker_is_killed(pairmark: Pairmark, words: list[str | Path]) -> None:
    words[3] = "simulated:sd=1,seed=3,delay_ms=400"
    with pairmark.started(*words) as first:
        reach(pairmark, str(words[5]), 1)
        with pairmark.started(*words) as second:
            read_until(second, "watching until it is done or gone")
            os.kill(first.process.pid, signal.SIGKILL)
            check_books(pairmark, second.end(), Path(words[-1]))
