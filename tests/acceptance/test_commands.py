"""Every command besides `assess`: what it prints for people, what for programs, and how it ends."""

import json
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import COMMAND, Pairmark, data_folder, essays, write_texts
from support.sizes import size

CLEAN = {"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []}
SLOW = "simulated:seed=1,delay_ms=1500"
HELP_SECONDS = 0.3
GENEROUS = 4  # a loaded machine with cold files
BEGUN = "SELECT id::text FROM assessment.batch WHERE name = %s AND status = 'PERFORMING_COMPARISONS'"


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.csv", essays(6))


@pytest.fixture(scope="module")
def finished(pairmark: Pairmark, texts: Path) -> str:
    """The id of a batch that has a result."""
    return str(pairmark.json("assess", texts, "--judge", "simulated:seed=1", "--name", "finished")["batch_id"])


def test_help_answers_at_once() -> None:
    times = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([COMMAND, "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - begun)
    assert statistics.median(times) < HELP_SECONDS * GENEROUS


def test_help_loads_nothing_heavy() -> None:
    program = "import sys; from pairmark.cli.main import build_parser; build_parser(); print(*sys.modules)"
    loaded = subprocess.run([COMMAND.with_name("python"), "-c", program], check=True, capture_output=True, text=True)
    names = set(loaded.stdout.split())
    assert not names & {
        "numpy",
        "scipy",
        "psycopg",
        "alembic",
        "sqlalchemy",
        "jinja2",
        "rich",
        "docx",
        "pypdf",
        "msgspec",
    }


def test_status_lists_batches_for_people_and_for_programs(pairmark: Pairmark, finished: str) -> None:
    listed = pairmark.json("status")
    assert finished in {row["batch_id"] for row in listed}
    row = next(row for row in listed if row["batch_id"] == finished)
    assert (row["name"], row["essays"], row["status"]) == ("finished", 6, "COMPLETE_MAX_COMPARISONS")
    shown = pairmark.run("status")
    assert shown.code == 0
    assert finished[:8] in shown.out
    assert "Traceback" not in shown.err


def test_status_of_one_batch_is_its_result_by_id_beginning_or_name(pairmark: Pairmark, finished: str) -> None:
    results = [pairmark.json("status", word) for word in (finished, finished[:8], "finished")]
    assert results[0] == results[1] == results[2]
    assert results[0]["batch_id"] == finished
    assert results[0]["self_check"] == CLEAN


@pytest.mark.parametrize("command", ["status", "cancel", "retry"])
def test_an_unknown_batch_is_said_to_be_unknown(pairmark: Pairmark, command: str) -> None:
    pairmark.run(command, "no-such-batch").refused("There is no batch 'no-such-batch'", "`pairmark status`")


def test_status_while_it_runs_shows_how_far_it_is_and_calls_nothing_lost(pairmark: Pairmark, texts: Path) -> None:
    with pairmark.started("assess", texts, "--judge", SLOW, "--name", "running") as running:
        pairmark.wait_for(BEGUN, "running")
        shown = pairmark.run("status", "running")
        result = pairmark.json("status", "running")
        running.signal(signal.SIGKILL)
    assert shown.code == 0
    assert "of at most 60 comparisons answered" in shown.out
    assert "Events are still under way" in shown.out
    assert result["self_check"]["state"] == "under way"
    assert result["self_check"]["lost"] is None
    assert result["services"]["assessment"]["budget"] == 60


def test_cancel_ends_a_batch_that_another_process_runs(pairmark: Pairmark, texts: Path) -> None:
    with pairmark.started("assess", texts, "--judge", SLOW, "--name", "to-cancel", "--json") as running:
        batch = pairmark.wait_for(BEGUN, "to-cancel")[0][0]
        cancelled = pairmark.json("cancel", batch)
        done = running.end()
    assert cancelled == {"batch_id": batch, "status": "CANCELLED", "changed": True}
    assert done.code == 1
    result = done.document()
    assert result["status"] == "CANCELLED"
    assert (result["credits"]["charged"], result["credits"]["released"]) == (0, 60)
    assert result["self_check"] == CLEAN
    again = pairmark.json("cancel", batch)
    assert again == {"batch_id": batch, "status": "CANCELLED", "changed": False}


def test_cancel_leaves_a_finished_batch_as_it_is(pairmark: Pairmark, finished: str) -> None:
    before = pairmark.json("status", finished)
    done = pairmark.run("cancel", finished)
    assert done.code == 0
    assert "had ended before: it is COMPLETE_MAX_COMPARISONS" in done.out
    assert pairmark.json("status", finished) == before


def test_retry_after_a_cancel_opens_the_next_generation_and_asks_no_answer_again(
    pairmark: Pairmark, texts: Path
) -> None:
    judge = "simulated:seed=1,delay_ms=150"
    answered = "SELECT b.id::text FROM assessment.batch b WHERE name = 'next' AND answered >= 10"
    with pairmark.started("assess", texts, "--judge", judge, "--name", "next") as running:
        batch = pairmark.wait_for(answered)[0][0]
        pairmark.json("cancel", batch)
        assert running.end().code == 1
    result = pairmark.json("retry", batch)
    assert result["batch_id"] != batch
    assert result["provenance"]["generation"] == 2
    assert result["status"].startswith("COMPLETE_")
    assert result["services"]["assessment"]["reused"] >= 10
    assert result["credits"]["charged"] == result["services"]["assessment"]["counted"]
    assert result["self_check"] == CLEAN


def test_retry_after_an_error_opens_the_next_generation(pairmark: Pairmark, texts: Path) -> None:
    """The error is that of a judge who fails, which takes its time, or that of an account with too few credits."""
    pairmark.json("credits", "grant", "--user", "poor", "5", "--operation", "few")
    fails = size(("simulated:seed=1", "--user", "poor"), ("simulated:seed=1,fail=1",))
    failed = pairmark.json("assess", texts, "--name", "fails", "--judge", *fails, code=1)
    again = pairmark.json("retry", failed["batch_id"], code=1)
    assert failed["status"].startswith("ERROR_")
    assert again["batch_id"] != failed["batch_id"]
    assert (failed["provenance"]["generation"], again["provenance"]["generation"]) == (1, 2)


def test_retry_takes_up_a_batch_that_was_left_in_mid_run(pairmark: Pairmark, texts: Path, tmp_path: Path) -> None:
    with pairmark.started("assess", texts, "--judge", "simulated:seed=1,delay_ms=100", "--name", "left") as running:
        batch = pairmark.wait_for(BEGUN, "left")[0][0]
        running.signal(signal.SIGKILL)
        running.end()
    done = pairmark.run("retry", batch, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert (result["batch_id"], result["provenance"]["generation"]) == (batch, 1)
    assert result["credits"]["charged"] == result["comparisons"]


def test_retry_of_a_complete_batch_shows_its_result(pairmark: Pairmark, finished: str) -> None:
    before = pairmark.json("status", finished)
    done = pairmark.run("retry", finished, "--json")
    assert (done.code, done.document()) == (0, before)
    assert "its stored result follows" in done.err


def test_db_upgrade_says_where_each_schema_stands_and_may_be_repeated(pairmark: Pairmark) -> None:
    versions = pairmark.json("db", "upgrade")
    assert {"assessment", "judging", "lifecycle", "results", "entitlements"} <= versions.keys()
    assert pairmark.json("db", "upgrade") == versions
    assert "assessment: " in pairmark.run("db", "upgrade").out


def test_doctor_finds_a_sound_house(pairmark: Pairmark) -> None:
    assert pairmark.run("doctor").code == 0
    told = pairmark.json("doctor")
    assert told["good"]
    assert [check["check"] for check in told["checks"]] == ["program", "database", "schema", "self-check"]


def test_doctor_says_what_is_wrong_and_ends_with_1(pairmark: Pairmark) -> None:
    done = pairmark.run("doctor", "--json", "--database", "postgresql://nobody@127.0.0.1:1/nothing")
    assert done.code == 1
    assert done.document()["good"] is False
    assert "cannot be reached" in done.document()["checks"][-1]["says"]


def test_credits_are_granted_corrected_and_shown(pairmark: Pairmark) -> None:
    grant = ("credits", "grant", "--organisation", "school", "100", "--operation", "g1")
    account = {"kind": "organisation", "owner": "school", "unlimited": False, "available": 100}
    assert pairmark.json(*grant) == account
    assert pairmark.json(*grant) == account
    adjusted = pairmark.json("credits", "adjust", "--organisation", "school", "-30", "--operation", "a1")
    assert adjusted["available"] == 70
    assert adjusted in pairmark.json("credits", "show")
    assert "organisation school: available 70" in pairmark.run("credits", "show").out


def test_an_account_with_too_few_credits_refuses_the_batch_and_a_grant_helps(pairmark: Pairmark, texts: Path) -> None:
    pairmark.json("credits", "grant", "--user", "pupil", "5", "--operation", "p1")
    words = ("assess", texts, "--judge", "simulated:seed=1", "--user", "pupil")
    refused = pairmark.run(*words, "--json")
    assert refused.code == 1
    assert (refused.document()["status"], refused.document()["stop_reason"]) == ("ERROR_PROCESSING", "credits_refused")
    assert "credits" in refused.err
    pairmark.json("credits", "grant", "--user", "pupil", "100", "--operation", "p2")
    result = pairmark.json(*words)
    assert result["status"].startswith("COMPLETE_")
    assert result["credits"]["balance"] == 105 - result["credits"]["charged"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["assess"],
        ["assess", "somewhere"],
        ["assess", "somewhere", "--judge", "surface", "--seed", "one"],
        ["assess", "somewhere", "--judge", "surface", "--budget", "1.5"],
        ["assess", "somewhere", "--judge", "surface", "--nonsense"],
        ["db"],
        ["credits", "grant", "5", "--operation", "x"],
        ["credits", "grant", "--user", "a", "--organisation", "b", "5", "--operation", "x"],
        ["credits", "grant", "--user", "a", "many", "--operation", "x"],
        ["cancel"],
    ],
)
def test_a_command_line_that_cannot_be_read_is_refused(pairmark: Pairmark, words: list[str]) -> None:
    pairmark.run(*words).refused("--help")
    if words:
        refused = pairmark.json(*words, code=2)
        assert refused.keys() == {"error", "remedy", "exit_code"}


def test_errors_are_one_json_document_too(pairmark: Pairmark, tmp_path: Path) -> None:
    done = pairmark.run("assess", tmp_path / "missing", "--judge", "surface", "--json")
    assert done.code == 2
    assert done.document()["exit_code"] == 2
    assert "does not exist" in done.document()["error"]
    assert done.document()["remedy"] == "Check the path."
    busy = pairmark.run("status", "--json", "--database", "postgresql://nobody@127.0.0.1:1/nothing")
    assert (busy.code, busy.document()["exit_code"]) == (75, 75)


def test_output_into_a_closed_pipe_is_no_error(pairmark: Pairmark, finished: str) -> None:
    piped = f"'{COMMAND}' status {finished} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", piped], env=pairmark.environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_options_are_written_in_full(pairmark: Pairmark) -> None:
    pairmark.run("status", "--js").refused("unrecognized arguments: --js")


def test_json_has_no_word_for_what_is_no_number(pairmark: Pairmark, tmp_path: Path) -> None:
    """A column without differences agrees with nothing; that is null, not NaN, and no warning of a library."""
    table = tmp_path / "constant.csv"
    table.write_text(
        "id,text,mark\n" + "".join(f"{name},Text of {name} here.,5\n" for name in "abcd"), encoding="utf-8"
    )
    done = pairmark.run("assess", table, "--judge", "simulated:seed=1", "--compare", "mark", "--json")
    assert done.code == 0
    assert "NaN" not in done.out
    assert done.document()["agreement"] is None
    assert "Warning" not in done.err


def test_what_lay_beside_the_texts_is_named(pairmark: Pairmark, tmp_path: Path) -> None:
    folder = tmp_path / "essays"
    (folder / "drafts").mkdir(parents=True)
    (folder / "old.rtf").write_text("x", encoding="utf-8")
    pairmark.run("assess", folder, "--judge", "simulated:seed=1").refused("has no texts (only drafts, old.rtf)")
    for name, text in essays(3):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    result = pairmark.json("assess", folder, "--judge", "simulated:seed=1")
    assert "Not read, since not a text: drafts, old.rtf." in result["warnings"]
