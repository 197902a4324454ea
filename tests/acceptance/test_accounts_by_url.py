"""Credits on a database of one's own: who grants before the first batch gets no account without limit beside the granted one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmark.bootstrap import System
from pairmark.storage.connection import Database
from support.command import Pairmark, essays, write_texts
from support.postgres import Databases, as_url
from support.system import submit

JUDGE = ("--judge", "simulated:seed=1")


@pytest.fixture
def platform(conninfo: str) -> Iterator[Pairmark]:
    """The command over a fresh, migrated database that is given by its URL."""
    with tempfile.TemporaryDirectory(prefix="pm-url-") as folder:
        yield Pairmark(Path(folder), PAIRMARK_DATABASE=as_url(conninfo))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.csv", essays(4))


def owners(platform: Pairmark) -> list[tuple[str, str, bool]]:
    return [(one["kind"], one["owner"], one["unlimited"]) for one in platform.json("credits", "show")]


def test_first_grant_makes_the_only_account_and_others_are_refused_in_one_sentence(platform: Pairmark, texts: Path):
    platform.json("credits", "grant", "--organisation", "school", "100", "--operation", "g1")
    assert owners(platform) == [("organisation", "school", False)]
    refused = platform.run("assess", texts, *JUDGE, "--user", "ann", "--json")
    assert refused.code == 1
    assert refused.document()["stop_reason"] == "credits_refused"
    assert refused.err.strip().splitlines()[-1] == (
        "pairmark: There is no credit account for user ann; "
        "`pairmark credits grant --user ann AMOUNT --operation ID` opens one."
    )
    assert owners(platform) == [("organisation", "school", False)]
    paid = platform.json("assess", texts, *JUDGE, "--user", "ann", "--organisation", "school")
    assert paid["status"].startswith("COMPLETE_")
    platform.json("credits", "grant", "--user", "ann", "100", "--operation", "g2")
    again = platform.json("assess", texts, *JUDGE, "--user", "ann")
    assert again["status"].startswith("COMPLETE_")
    assert again["credits"]["balance"] == 100 - again["credits"]["charged"]


@pytest.mark.parametrize("words", [("status",), ("credits", "show"), ("doctor",), ("db", "upgrade")], ids=" ".join)
def test_looking_opens_no_account(platform: Pairmark, words: tuple[str, ...]):
    assert platform.run(*words).code == 0
    assert owners(platform) == []


def test_first_batch_where_nobody_keeps_accounts_runs_without_limit(platform: Pairmark, texts: Path):
    assert platform.json("assess", texts, *JUDGE)["status"].startswith("COMPLETE_")
    assert owners(platform) == [("default", "this machine", True)]


def test_a_request_that_nobody_has_taken_in_yet_is_known_and_can_be_cancelled(platform: Pairmark, system: System):
    """Its process died right after the commit: the batch is on its way, not unknown."""
    listed, cancelled = submit(system, 4, seed=1), submit(system, 4, seed=2)
    assert [one["batch_id"] for one in platform.json("status")] == [str(cancelled.job_id), str(listed.job_id)]
    third = submit(system, 4, seed=3)
    assert platform.json("cancel", str(third.job_id))["status"] == "CANCELLED"


def test_a_request_that_cannot_be_taken_in_is_told_by_name_and_tried_again(platform: Pairmark, system: System):
    ticket = submit(system, 4, name="stuck")
    system.relays["lifecycle"].step()
    system.close()
    with system.database.connect() as connection:
        connection.execute("ALTER TABLE assessment.batch ADD CONSTRAINT planted CHECK (name <> 'stuck') NOT VALID")
    refused = platform.run("status", "stuck").refused("is requested, but not taken in yet", code=75)
    assert str(ticket.job_id) in refused
    with system.database.connect() as connection:
        connection.execute("ALTER TABLE assessment.batch DROP CONSTRAINT planted")
    platform.run("cancel", "stuck")
    assert platform.json("cancel", "stuck")["status"] == "CANCELLED"


def test_looking_at_a_database_without_pairmark_leaves_it_as_it_is(postgres: Databases):
    conninfo = postgres.conninfo(postgres.create("somebody_elses"))
    with tempfile.TemporaryDirectory(prefix="pm-url-") as folder:
        theirs = Pairmark(Path(folder), PAIRMARK_DATABASE=as_url(conninfo))
        for words in (["status"], ["status", "x"], ["cancel", "x"], ["retry", "x"], ["credits", "show"]):
            theirs.run(*words).refused("There is no Pairmark in this database", "db upgrade", code=2)
        assert theirs.run("doctor").code == 1
    with Database(conninfo).connect() as connection:
        assert connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'assessment'").fetchone() == (0,)
