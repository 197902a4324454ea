"""`pairmark audit repair` and `grants` as people run them."""

import os
import pty
import subprocess

import psycopg
import pytest

from pairmark.audit import audit
from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.kinds import kind_of
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.request import Request
from pairmark.errors import PairmarkError
from support.command import COMMAND, Pairmark
from support.incident import PATH
from support.repairs import Quiet


def run(folder, *words: str):
    return Pairmark(folder).run("audit", *words)


def test_the_plan_is_printed_and_nothing_is_done_until_that_is_said(place, tmp_path):
    place.outbox(9, 12)
    done = run(tmp_path, "repair", place.url)
    assert done.code == 1
    plan = make_plan(place.request(probe=5.0))
    for words in (
        plan.digest,
        "3 rows are in excess",
        "SHARE ROW EXCLUSIVE",
        "undo:",
        "Nothing was changed",
        "3 rows, about",
    ):
        assert words in done.out, words
    for step in plan.steps:
        for statement in step.statements:
            for line in statement.splitlines():
                assert line.strip() in done.out
    assert place.summary() == (12, 3)
    run(tmp_path, "repair", place.url, "--apply").refused("no terminal", "--yes")
    other = run(tmp_path, "repair", place.url, "--apply", "--yes", "--plan", "0000")
    assert (other.code, "now, not 0000" in other.err) == (2, True)
    assert place.left_over() == []


def test_applied_told_as_json_and_taken_back(place, tmp_path):
    place.outbox(9, 12)
    digest = run(tmp_path, "repair", place.url, "--json").document()["plan"]["digest"]
    done = run(tmp_path, "repair", place.url, "--apply", "--yes", "--plan", digest, "--probe", "0", "--json")
    result = done.document()["result"]
    assert (done.code, result["quarantined"], result["clean"], result["excess"]) == (0, 3, True, 0)
    again = run(tmp_path, "repair", place.url)
    assert again.code == 0
    assert "Nothing to do" in again.out
    planned = run(tmp_path, "repair", place.url, "--undo")
    assert planned.code == 0
    assert "DROP INDEX CONCURRENTLY" in planned.out
    assert place.summary() == (9, 0)
    done = run(tmp_path, "repair", place.url, "--undo", "guard,index,rows,tables", "--apply", "--yes")
    assert "3 rows are back" in done.out
    assert place.summary() == (12, 3)
    assert "nothing to take back" in run(tmp_path, "repair", place.url, "--undo").out


@pytest.mark.parametrize(("answer", "rows"), [("yes", 9), ("no", 12)])
def test_a_person_at_a_terminal_is_asked(place, tmp_path, answer, rows):
    place.outbox(9, 12)
    ours, theirs = pty.openpty()
    command = [COMMAND, "audit", "repair", place.url, "--apply", "--probe", "0"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        os.write(ours, f"{answer}\n".encode())
        out, said = running.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Type yes" in said
    assert ("Nothing was changed" in out) == (answer == "no")
    assert (running.returncode, place.summary()[0]) == (int(answer == "no"), rows)


def test_what_is_no_table_is_refused_in_one_sentence(tmp_path):
    run(tmp_path, "repair", str(PATH)).refused("Only a table", "event_outbox.csv is only read")
    said = run(tmp_path, "repair", "kafka://me:hush@host/topic").refused("Only a table", "kafka://… is only read")
    assert "hush" not in said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"source": "postgresql://me:hush@127.0.0.1:1/x"}, "cannot be reached"),
        ({"source": "sqlite:no.db"}, "no.db is not there"),
        ({"source": "sqlite:no.db", "unique_on": ("payload",)}, "cannot be built on payload"),
        ({"source": "sqlite:no.db", "unique_on": ("id", "id")}, "cannot be built on id, id"),
        ({"source": "sqlite:no.db", "batch": 0}, "--batch must be above 0"),
        ({"source": "sqlite:no.db", "types": ("[ab]*",)}, "takes \\* and \\? only"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_one_sentence(asked, words):
    with pytest.raises(PairmarkError, match=words) as refused:
        kind_of(asked["source"]).make_plan(Request(**asked))
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_stands_in_the_way_ends_with_2_and_an_empty_table_with_3(place, tmp_path):
    place.outbox(9, 12)
    place.rows("CREATE TABLE charge (event bigint REFERENCES event_outbox)")
    done = run(tmp_path, "repair", place.url)
    assert done.code == 2
    assert "REFUSED: charge refers to rows" in done.out
    assert "ADD COLUMN dedupe_key" in done.out
    run(tmp_path, "repair", place.url, "--apply", "--yes", "--json")
    place.rows("DROP TABLE charge; DELETE FROM event_outbox")
    assert run(tmp_path, "repair", place.url).code == 3
    assert run(tmp_path, "repair", place.url + "&table=outbox").refused("no table outbox", "event_outbox")


def test_a_migration_is_written(place, tmp_path):
    place.outbox(9, 12)
    done = run(tmp_path, "repair", place.url, "--emit", "alembic", "--out", str(tmp_path / "m.py"), "--revision", "abc")
    assert done.code == 0
    text = (tmp_path / "m.py").read_text(encoding="utf-8")
    assert "revision = 'abc'" in text
    assert run(tmp_path, "repair", place.url, "--emit", "alembic", "--revision", "abc").out == text


def test_the_granted_roles_can_do_what_they_are_for_and_no_more(place, tmp_path):
    place.outbox(9, 12)
    reader, mender, owner = f"{place.name}_r", f"{place.name}_m", f"{place.name}_o"
    place.rows(
        f"CREATE ROLE {owner}; ALTER TABLE event_outbox OWNER TO {owner}; REVOKE ALL ON DATABASE {place.name} FROM PUBLIC"
    )
    try:
        granted = run(tmp_path, "grants", place.url, "--role", reader, "--repair-role", mender, "--json").document()
        for _ in range(2):
            place.rows(";".join([*granted["reading"], *granted["repairing"]]))
        assert audit(place.url_of(reader)).totals["duplicates"] == 3
        with psycopg.connect(place.url_of(reader), autocommit=True) as reading:
            for forbidden in (
                "DELETE FROM event_outbox",
                "SET transaction_read_only = off; DELETE FROM event_outbox",
                "CREATE TABLE x ()",
            ):
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                    reading.execute(forbidden.encode())
        refused = run(tmp_path, "repair", place.url_of(reader), "--apply", "--yes")
        assert (refused.code, "may only read" in refused.err) == (2, True)
        assert apply(place.request(source=place.url_of(mender), where="event_type = 'done'"), Quiet()).clean
    finally:
        place.rows(
            f"DROP OWNED BY {reader}, {mender}; DROP OWNED BY {owner} CASCADE; DROP ROLE {reader}, {mender}, {owner}"
        )


def test_grants_are_printed_for_a_table_that_is_only_named(tmp_path):
    text = run(tmp_path, "grants", "postgresql://host/shop?table=sales.outbox").out
    assert 'GRANT SELECT ON TABLE "sales"."outbox" TO "pairmark_audit";' in text
    assert 'GRANT CONNECT ON DATABASE "shop" TO "pairmark_audit";' in text
    assert '"public"."event_outbox"' in run(tmp_path, "grants").out
    run(tmp_path, "grants", "sqlite:x.db").refused("matter of PostgreSQL")
