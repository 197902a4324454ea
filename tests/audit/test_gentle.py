"""An audit of a PostgreSQL that may not be hurt: its session keeps to what was asked for."""

from collections.abc import Iterator

import psycopg
import pytest

from pairmark.audit import audit
from pairmark.audit.sources.statements import is_one_of, narrowed
from pairmark.cli.audit.asked import GENTLE
from pairmark.errors import Busy
from support.command import Pairmark
from support.postgres import Databases
from support.repairs import Theirs, theirs


@pytest.fixture
def place(postgres: Databases) -> Iterator[Theirs]:
    with theirs(postgres, "gentle") as made:
        made.outbox(3, 4)
        yield made


def test_a_statement_that_takes_too_long_ends_in_one_sentence(place, tmp_path):
    place.rows(
        "ALTER TABLE event_outbox RENAME TO t; CREATE VIEW event_outbox AS SELECT * FROM t WHERE pg_sleep(20) IS NOT NULL"
    )
    with pytest.raises(Busy, match="took too long"):
        audit(place.url + "&table=event_outbox", server_settings={"statement_timeout": "50ms"})
    source = place.url + "&table=event_outbox"
    Pairmark(tmp_path).run("audit", source, "--statement-timeout", "0.05").refused(
        "took too long", "--statement-timeout"
    )
    Pairmark(tmp_path).run("audit", source, "--statement-timeout", "0").refused("must be above 0")


def test_a_lock_is_not_waited_for(place):
    with psycopg.connect(place.url) as other:
        other.execute("LOCK TABLE event_outbox")
        with pytest.raises(Busy, match="is locked by another session"):
            audit(place.url, server_settings=GENTLE | {"lock_timeout": "50ms"})


def test_gently_the_result_is_the_same(place, tmp_path):
    gentle = Pairmark(tmp_path).run("audit", place.url, "--gentle", "--json").document()
    assert gentle["totals"] == audit(place.url).totals


def test_an_index_serves_the_second_look_and_null_is_found_as_well():
    """A cast around a column would keep PostgreSQL from its index; NULL equals nothing."""
    spelled = [("a1", "done"), ("a2", None)]
    plain = narrowed(["aggregate_id", "event_type"], spelled, "text", {"aggregate_id"})
    assert plain.startswith("\"aggregate_id\" IN ('a1', 'a2') AND (coalesce(")
    for keys, rows, known in (
        (["aggregate_id"], [("a1",), (None,)], {"aggregate_id"}),
        (["payload"], [("{}",)], set()),
        (["aggregate_id"], [], {"aggregate_id"}),
    ):
        assert narrowed(keys, rows, "text", known) == is_one_of(keys, rows, "text")


def test_a_column_with_quotation_marks_in_its_name_is_read(place):
    place.rows("""ALTER TABLE event_outbox RENAME aggregate_id TO "'odd' ""name\"\"\"""")
    report = audit(place.url + "&table=event_outbox", columns={"aggregate": "'odd' \"name\""})
    assert (report.totals["events"], report.totals["facts"]) == (4, 3)
