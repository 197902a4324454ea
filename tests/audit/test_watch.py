"""Watching: nothing new is missed, nothing old is told again, and no data is never clean. Time is a clock that tests move."""

import json
import signal
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pairmark.audit.looks import Watched
from pairmark.audit.metrics import Figures, host_and_port, served
from pairmark.audit.store import Chosen
from pairmark.audit.watch import Memory, Watch, follow, load, save
from pairmark.clock import ManualClock
from pairmark.errors import BadRequest, Busy
from pairmark.storage.waiting import until
from support.command import Pairmark

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
UUID = "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"


class Outbox:
    """Somebody's outbox on PostgreSQL."""

    def __init__(self, conninfo: str) -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.connection.execute("CREATE SCHEMA IF NOT EXISTS theirs")
        self.connection.execute(
            "CREATE TABLE theirs.outbox (id bigserial, aggregate_id uuid, event_type text, created_at timestamptz)"
        )
        parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
        self.address = f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&table=theirs.outbox"

    def add(self, fact: int, at: datetime | None, kind: str = "done", connection=None) -> None:
        row = (f"00000000-0000-4000-8000-{fact:012}", kind, at)
        (connection or self.connection).execute(
            "INSERT INTO theirs.outbox (aggregate_id, event_type, created_at) VALUES (%s, %s, %s)", row
        )


@pytest.fixture
def outbox(conninfo: str):
    made = Outbox(conninfo)
    yield made
    made.connection.close()


def watching(outbox: Outbox, **options) -> tuple[Watch, ManualClock]:
    clock = ManualClock(BEGIN)
    watched = Watched(outbox.address, Chosen(types=options.pop("types", ())), {})
    return Watch(watched, clock, **options), clock


def test_a_duplicate_of_an_old_fact_is_found_once_by_looking_at_new_rows_only(outbox):
    watch, clock = watching(outbox)
    for fact in range(200):
        outbox.add(fact, BEGIN - timedelta(days=9, minutes=fact))
    outbox.add(3, BEGIN - timedelta(days=8))
    first = watch.once()
    assert (first.full, first.verdict, first.events, first.duplicates, sum(first.new.values())) == (
        True,
        "findings",
        201,
        1,
        1,
    )
    clock.advance(60)
    assert watch.once().verdict == "clean"
    outbox.add(7, clock.now())
    outbox.add(7, clock.now())
    outbox.add(900, clock.now())
    clock.advance(60)
    done = watch.once()
    assert (done.full, done.events, done.verdict, done.repeated_facts, done.duplicates) == (False, 4, "findings", 2, 3)
    assert [(key[1], number) for key, number in done.new.items()] == [("done", 2)]
    clock.advance(60)
    assert (watch.once().verdict, watch.memory.new_duplicates) == ("clean", 3)


def test_a_row_that_commits_late_is_not_passed_over(outbox, conninfo):
    watch, clock = watching(outbox, look_back=timedelta(minutes=5))
    outbox.add(1, BEGIN - timedelta(hours=1))
    watch.once()
    with psycopg.connect(conninfo) as late:
        outbox.add(1, clock.now(), connection=late)
        clock.advance(240)
        outbox.add(2, clock.now())
        assert watch.once().verdict == "clean"
        late.commit()
    clock.advance(60)
    assert watch.once().verdict == "findings"


def test_a_row_dated_in_the_future_does_not_hide_those_before_it(outbox):
    watch, clock = watching(outbox)
    outbox.add(1, BEGIN + timedelta(days=900))
    outbox.add(2, BEGIN)
    watch.once()
    clock.advance(60)
    outbox.add(2, clock.now())
    assert watch.once().verdict == "findings"


def test_what_the_look_back_misses_a_full_look_finds(outbox):
    watch, clock = watching(outbox, look_back=timedelta(seconds=1), full_every=timedelta(hours=1))
    outbox.add(1, BEGIN - timedelta(days=4))
    outbox.add(2, BEGIN)
    watch.once()
    outbox.add(1, BEGIN - timedelta(days=3))
    clock.advance(60)
    assert watch.once().verdict == "clean"
    clock.advance(3_600)
    done = watch.once()
    assert (done.full, done.verdict) == (True, "findings")


def test_no_data_is_never_clean(outbox):
    watch, clock = watching(outbox, expect_within=timedelta(minutes=30))
    assert watch.once().verdict == "undetermined"
    outbox.add(1, clock.now())
    assert watch.once().verdict == "clean"
    clock.advance(1_801)
    assert (watch.once().verdict, watch.once().why) == ("undetermined", "no event is as young as expected")
    assert watching(outbox, types=["none%"])[0].once().verdict == "undetermined"


def test_patterns_of_types_mean_the_same_in_both_kinds_of_look(outbox):
    watch, clock = watching(outbox, types=["do*"])
    for kind in ("done", "begun"):
        outbox.add(1, BEGIN, kind)
    watch.once()
    for kind in ("done", "begun", "100%"):
        outbox.add(1, clock.now(), kind)
    assert [key[1] for key in watch.once().new] == ["done"]


def test_a_fact_told_by_another_type_than_before_is_seen_by_those_that_are_asked_for(outbox):
    watched = Watched(outbox.address, Chosen(types=["result.*"], unique_on=["aggregate"]), {})
    watch = Watch(watched, clock := ManualClock(BEGIN))
    outbox.add(1, BEGIN - timedelta(days=4), "result.done")
    outbox.add(1, BEGIN - timedelta(days=4), "begun")
    outbox.add(2, BEGIN, "result.ended")
    assert watch.once().verdict == "clean"
    outbox.add(1, clock.now(), "result.ended")
    done = watch.once()
    assert (done.full, list(done.new.values())) == (False, [1])


def test_types_that_are_an_enumeration_are_watched_like_any(outbox):
    outbox.connection.execute("CREATE TYPE theirs.kind AS ENUM ('done', 'begun')")
    outbox.connection.execute(
        "ALTER TABLE theirs.outbox ALTER event_type TYPE theirs.kind USING event_type::theirs.kind"
    )
    watch, clock = watching(outbox, types=["do*"])
    outbox.add(1, BEGIN)
    watch.once()
    outbox.connection.execute("UPDATE theirs.outbox SET event_type = 'begun'")
    assert watch.once().verdict == "undetermined", "nothing fits"
    outbox.add(1, clock.now())
    outbox.add(1, clock.now())
    assert watch.once().verdict == "findings"


def test_where_the_newest_row_is_gone_everything_is_looked_at(outbox):
    watch, clock = watching(outbox)
    outbox.add(1, BEGIN - timedelta(days=4))
    outbox.add(2, BEGIN)
    watch.once()
    outbox.connection.execute("DELETE FROM theirs.outbox WHERE created_at = %s", [BEGIN])
    outbox.add(1, BEGIN - timedelta(days=3))
    assert (watch.once().verdict, watch.once().full) == ("findings", False)
    outbox.connection.execute("DELETE FROM theirs.outbox")
    clock.advance(60)
    done = watch.once()
    assert (done.verdict, done.why) == ("undetermined", "there was no event to look at")


def test_a_row_without_a_time_is_new_at_every_pass(outbox):
    watch, _ = watching(outbox)
    outbox.add(1, BEGIN - timedelta(days=4))
    outbox.add(2, BEGIN)
    watch.once()
    outbox.add(1, None)
    done = watch.once()
    assert (done.full, done.verdict) == (False, "findings")
    assert watch.once().verdict == "clean"


@pytest.mark.parametrize(
    ("old", "new"),
    [("a", "a "), ("a ", "a"), (UUID.upper(), UUID), (UUID, UUID.upper())],
    ids=["blanks", "blanks before", "upper case before", "upper case"],
)
def test_a_fact_that_is_spelled_in_another_way_is_the_same_fact(outbox, old, new):
    outbox.connection.execute("ALTER TABLE theirs.outbox ALTER aggregate_id TYPE text")
    insert = "INSERT INTO theirs.outbox (aggregate_id, event_type, created_at) VALUES (%s, 'done', %s)"
    watch, clock = watching(outbox)
    outbox.connection.execute(insert, [old, BEGIN - timedelta(days=4)])
    outbox.add(2, BEGIN)
    assert watch.once().verdict == "clean"
    outbox.connection.execute(insert, [new, clock.now()])
    assert watch.once().verdict == "findings"


def test_a_key_that_is_led_by_something_unknown_is_a_fact_too(outbox):
    outbox.connection.execute("ALTER TABLE theirs.outbox ADD correlation_id text")
    watch = Watch(Watched(outbox.address, Chosen(unique_on=["correlation", "aggregate"]), {}), ManualClock(BEGIN))
    outbox.add(1, BEGIN - timedelta(days=4))
    outbox.add(2, BEGIN)
    watch.once()
    outbox.add(1, BEGIN)
    done = watch.once()
    assert (done.full, [key[1][-1] for key in done.new]) == (False, ["1"])


def test_a_pass_over_new_rows_says_how_far_it_looked(outbox):
    watch, clock = watching(outbox, look_back=timedelta(minutes=5))
    outbox.add(1, BEGIN)
    assert (watch.once().why, watch.watched.chosen.types) == ("", ())
    clock.advance(60)
    assert watch.once().why == (
        "in facts with rows from 2026-01-05T11:55:00+00:00 on; everything was last looked at 2026-01-05T12:00:00+00:00"
    )


def test_a_file_is_looked_at_as_a_whole_each_time(tmp_path):
    source = tmp_path / "x.csv"
    source.write_text("aggregate_id,event_type,created_at\na,done,2026-01-05\n", encoding="utf-8")
    watch = Watch(Watched(str(source), Chosen(), {}), ManualClock(BEGIN))
    assert watch.once().verdict == "clean"
    source.write_text(source.read_text(encoding="utf-8") + "a,done,2026-01-06\n" * 2, encoding="utf-8")
    assert watch.once().new == {("a", "done"): 2}
    assert watch.once().verdict == "clean"


def test_what_is_known_is_kept_and_belongs_to_one_question(outbox, tmp_path):
    watch, clock = watching(outbox)
    for _ in range(3):
        outbox.add(1, BEGIN)
    watch.once()
    save(watch.memory, watch.watched, tmp_path / "state.json")
    again = Watch(watch.watched, clock, memory=load(watch.watched, tmp_path / "state.json"))
    assert again.memory == watch.memory
    assert again.once().verdict == "clean"
    assert load(watch.watched, tmp_path / "none.json") == Memory()
    with pytest.raises(BadRequest, match="something else"):
        load(Watched(outbox.address, Chosen(types=["x"]), {}), tmp_path / "state.json")
    (tmp_path / "state.json").write_text('{"version": 1', encoding="utf-8")
    with pytest.raises(BadRequest, match="cannot be read as the state"):
        load(watch.watched, tmp_path / "state.json")


def test_a_source_that_is_away_is_tried_again_and_nothing_is_forgotten(outbox):
    watch, _ = watching(outbox)
    outbox.add(1, BEGIN)
    watch.once()
    whole, told, failed = watch.watched, [], []

    def pause() -> bool:
        away = len(told) + len(failed) == 1
        watch.watched = Watched("postgresql://127.0.0.1:1/x", Chosen(), {}) if away else whole
        outbox.add(1, BEGIN)
        return len(told) + len(failed) < 3

    follow(watch, pause, told.append, failed.append)
    assert [type(one) for one in failed] == [Busy]
    assert [one.verdict for one in told] == ["clean", "findings"]
    assert sum(told[1].new.values()) == 2


def test_metrics_are_served_on_loopback_and_say_nothing_that_is_not_known(outbox):
    watch, _ = watching(outbox)
    figures = Figures('a"b\\c\n', lambda: watch.memory)
    assert "verdict" not in figures.text()
    assert "newest" not in figures.text()
    for _ in range(2):
        outbox.add(1, BEGIN)
    figures.tell(watch.once())
    with served(figures, "127.0.0.1:0") as bound:
        with urllib.request.urlopen(f"http://{bound}/metrics") as answer:
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{bound}/")
    label = '{source="a\\"b\\\\c\\n"}'
    for line in (f"pairmark_audit_up{label} 1", f"pairmark_audit_duplicates{label} 1",
                 f"pairmark_audit_new_duplicates_total{label} 1",
                 'pairmark_audit_verdict{source="a\\"b\\\\c\\n",verdict="clean"} 0',
                 f"pairmark_audit_newest_event_timestamp_seconds{label} {BEGIN.timestamp():.0f}"):  # fmt: skip
        assert line in text.split("\n"), text
    assert [line for line in text.splitlines() if not line.startswith(("# HELP ", "# TYPE ", "pairmark_audit_"))] == []


@pytest.mark.parametrize(
    ("address", "parts"), [(":9", ("127.0.0.1", 9)), ("[::1]:9", ("::1", 9)), ("9", ("127.0.0.1", 9))]
)
def test_an_address_to_listen_on(address, parts):
    assert host_and_port(address) == parts
    with pytest.raises(BadRequest, match="no address"):
        host_and_port("somewhere")


def test_the_command_once_ends_by_what_it_saw(tmp_path):
    source, state, metrics = tmp_path / "x.csv", tmp_path / "state.json", tmp_path / "audit.prom"
    source.write_text("aggregate_id,event_type,created_at\n" + "a,done,2026-01-05\n" * 2, encoding="utf-8")
    pairmark = Pairmark(tmp_path)
    words = ("audit", "watch", source, "--once", "--state", state, "--textfile", metrics)
    first = pairmark.run(*words)
    assert (first.code, "a done: 1 more" in first.out) == (1, True)
    assert pairmark.json(*words)["verdict"] == "clean"
    assert "pairmark_audit_new_duplicates_total" in metrics.read_text(encoding="utf-8")
    source.write_text("aggregate_id,event_type,created_at\n", encoding="utf-8")
    assert pairmark.run(*words).code == 3
    pairmark.run("audit", "watch", tmp_path / "no.csv", "--once").refused("is not there")
    pairmark.run("audit", "watch", source, "--interval", "soon").refused("no length of time")
    pairmark.run("audit", "watch", source, "--once", "--listen", "192.0.2.1:9").refused("cannot be listened on")


def test_one_clean_pass_does_not_hide_those_that_saw_nothing(tmp_path):
    source, state = tmp_path / "x.csv", tmp_path / "state.json"
    source.write_text("aggregate_id,event_type,created_at\n", encoding="utf-8")
    words = ("audit", "watch", source, "--interval", "0.2s", "--state", state)
    with Pairmark(tmp_path).started(*words) as running:
        assert until(state.exists, 60, pause=0.02)
        source.write_text("aggregate_id,event_type,created_at\na,done,2026-01-05\n", encoding="utf-8")
        assert until(lambda: json.loads(state.read_text(encoding="utf-8"))["seen_until"], 60, pause=0.02)
        running.signal(signal.SIGTERM)
        done = running.end()
    assert "clean" in done.out
    assert done.code == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_stops_cleanly_and_keeps_what_it_knows(tmp_path, number):
    source, state = tmp_path / "x.csv", tmp_path / "state.json"
    source.write_text("aggregate_id,event_type,created_at\n" + "a,done,2026-01-05\n" * 2, encoding="utf-8")
    with Pairmark(tmp_path).started(
        "audit", "watch", source, "--interval", "1h", "--state", state, "--json"
    ) as running:
        assert until(state.exists, 60, pause=0.02)
        running.signal(number)
        done = running.end()
    assert (done.code, done.err.strip()) == (1, "Stopped.")
    assert json.loads(done.out)["new_duplicates"] == 1
    assert json.loads(state.read_text(encoding="utf-8"))["known"] == [["a", "done", 2]]


def test_a_source_that_keeps_too_little_is_never_clean(tmp_path):
    """As a compacted topic, or a log store that begins late."""

    class KeepsLittle(Watched):
        def all(self):
            return replace(super().all(), conclusive=False)

    (tmp_path / "x.csv").write_text("aggregate_id,event_type,created_at\na,done,2026-01-05\n", encoding="utf-8")
    done = Watch(KeepsLittle(str(tmp_path / "x.csv"), Chosen(), {}), ManualClock(BEGIN)).once()
    assert (done.verdict, done.why) == ("undetermined", "the source does not keep enough to prove it")
