"""A table of a MySQL or MariaDB as a source, on a real MariaDB: types, one snapshot, limits, and what is refused."""

import sys
from urllib.parse import quote

import pymysql
import pytest

from pairmark.audit import audit
from pairmark.audit.columns import recognise
from pairmark.audit.consumers import Effect
from pairmark.audit.grants import grants
from pairmark.audit.impact import impact
from pairmark.audit.probe import probe
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.mysql import MysqlTable
from pairmark.audit.sources.mysql_address import MysqlAddress
from pairmark.audit.store import Chosen, Store
from pairmark.cli.main import main
from pairmark.errors import BadRequest, Busy, PairmarkError
from support.mariadb import MariaDB, certificate_in, needed

OUTBOX = "aggregate_id varchar(64), event_type varchar(64), created_at datetime(6), id int"


@pytest.fixture
def theirs(mariadb):
    """The name of a database with an outbox in which one fact of three is told twice."""
    database = mariadb.fresh()
    mariadb.rows(f"CREATE TABLE {database}.event_outbox ({OUTBOX}, KEY (aggregate_id))")
    mariadb.rows(
        f"INSERT INTO {database}.event_outbox VALUES ('a', 'done', '2025-11-15 10:00:00.000001', 1), "
        "('a', 'done', '2025-11-15 10:00:01.5', 2), ('b', 'done', '2025-11-15 10:00:02', 3), "
        "('c', 'done', '2025-11-15 10:00:03', 4)"
    )
    return database


def column(mariadb, kind, *values):
    """The address of an outbox whose aggregates are a column of this type with these values, written as SQL."""
    database = mariadb.fresh()
    mariadb.rows(f"CREATE TABLE {database}.outbox (aggregate_id {kind}, event_type text, created_at datetime)")
    mariadb.rows(f"INSERT INTO {database}.outbox VALUES " + ", ".join(f"({one}, 'x', now())" for one in values))
    return mariadb.address(database)


def test_columns_and_table_are_recognised_and_nothing_is_written(mariadb, theirs, capsys):
    assert main(["audit", mariadb.address(theirs)]) == 1
    said = capsys.readouterr().out
    assert "aggregate_id" in said
    assert "event_outbox" not in mariadb.address(theirs)
    assert mariadb.rows(f"SELECT count(*) FROM {theirs}.event_outbox") == [(4,)]
    report = audit(mariadb.address(theirs).replace("mysql://", "mariadb://"))
    assert (report.totals["events"], report.totals["duplicates"]) == (4, 1)
    assert report.findings[0].first == "2025-11-15T10:00:00.000001+00:00"


@pytest.mark.parametrize(
    ("kind", "values", "facts", "worst"),
    [
        ("binary(16)", ["unhex('2f8dc826d6c64d5bb9d21ed94fb47a50')"] * 2 + ["unhex(repeat('ff', 16))"], 2,
         "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"),
        ("uuid", ["'2F8DC826-D6C6-4D5B-B9D2-1ED94FB47A50'"] * 2 + ["uuid()"], 2, "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"),
        ("char(3) COLLATE utf8mb4_general_ci", ["'a'", "'a'", "'A'", "'å'"], 3, "a"),
        ("varchar(9) CHARACTER SET latin1", ["'räka'", "'räka'", "'raka'", "'RÄKA'"], 3, "räka"),
        ("varbinary(9)", ["'b'", "'b'", "x'ff00'", "x'ff01'", "'B'"], 4, "b"),
        ("varbinary(9)", ["x'ff00'", "x'ff00'", "'0xff00'"], 2, "0xff00"),
        ("bigint unsigned", ["18446744073709551615"] * 2 + ["18446744073709551614"], 2, "18446744073709551615"),
        ("bit(2)", ["b'10'", "b'10'", "b'01'"], 2, "2"),
        ("enum('one', 'two')", ["'two'", "2", "'one'"], 2, "two"),
        ("json", ["'{\"a\": 1}'"] * 2 + ["'{}'"], 2, '{"a": 1}'),
        ("decimal(20, 5)", ["1.5", "1.50000", "2"], 2, "1.50000"),
        ("text", ["'  odd'", "'odd'", "'%s 100 %'"], 2, "odd"),
    ],
)  # fmt: skip
def test_values_of_any_type_are_told_apart_as_they_are_and_found_again(mariadb, kind, values, facts, worst):
    report = audit(column(mariadb, kind, *values))
    assert (report.totals["events"], report.totals["facts"]) == (len(values), facts)
    assert [(one.key["aggregate"], one.events) for one in report.findings] == [(worst, 2)]
    assert report.findings[0].first is not None, "its rows were found again"


def test_times_of_any_zone_of_the_server_are_utc(mariadb):
    database = mariadb.fresh()
    mariadb.rows(f"CREATE TABLE {database}.outbox (aggregate_id int, event_type text, created_at timestamp(6) NULL)")
    mariadb.rows("SET GLOBAL time_zone = '+09:00'")
    try:
        mariadb.rows(
            f"INSERT INTO {database}.outbox VALUES (1, 'x', '2025-11-15 10:00:00'), (1, 'x', NULL), (1, 'x', 0)"
        )
        report = audit(mariadb.address(database))
    finally:
        mariadb.rows("SET GLOBAL time_zone = 'SYSTEM'")
    assert report.findings[0].first == "2025-11-15T10:00:00+00:00"
    assert report.odd == {"without a readable time": 2}


def test_one_snapshot_while_rows_are_written(mariadb, theirs):
    before = audit(mariadb.address(theirs))

    class Writing(MysqlTable):
        """Somebody writes between the first look and the second."""

        def look_closer(self, *asked):
            mariadb.rows(f"INSERT INTO {theirs}.event_outbox VALUES ('a', 'done', now(6), 5), ('b', 'done', now(6), 6)")
            super().look_closer(*asked)

    source = Writing(MysqlAddress.of(mariadb.address(theirs)))
    store = Store(source, *_asked(source))
    try:
        (worst,) = store.repeated(10)
        assert (worst["n"], len(worst["times"])) == (2, 2)
        assert source.reach().limits == ()
    finally:
        store.close()
    assert audit(mariadb.address(theirs)).totals["duplicates"] == before.totals["duplicates"] + 2


def _asked(source):
    return recognise(source.columns(), {}, source.shown), Chosen()


def test_an_engine_without_snapshots_is_told(mariadb):
    database = mariadb.fresh()
    mariadb.rows(f"CREATE TABLE {database}.outbox ({OUTBOX}) ENGINE = MyISAM")
    assert "MyISAM, which has no snapshots" in audit(mariadb.address(database)).limits[0]


def test_of_a_view_it_is_not_known(mariadb):
    database = mariadb.fresh()
    mariadb.rows(f"CREATE TABLE {database}.kept ({OUTBOX}) ENGINE = MyISAM")
    mariadb.rows(f"CREATE VIEW {database}.outbox AS SELECT * FROM {database}.kept")
    (told,) = audit(mariadb.address(database, "outbox")).limits
    assert "outbox is a view, and whether the tables under it have snapshots is not known" in told


def test_a_database_with_dots_in_its_name(mariadb):
    database = f"{mariadb.fresh()}.of.theirs"
    mariadb.rows(f"CREATE DATABASE `{database}`")
    mariadb.rows(f"CREATE TABLE `{database}`.outbox ({OUTBOX})")
    mariadb.rows(f"INSERT INTO `{database}`.outbox VALUES ('a', 'x', now(), 1), ('a', 'x', now(), 2)")
    assert audit(mariadb.address(database)).totals["duplicates"] == 1
    mariadb.rows(f"DROP DATABASE `{database}`")


def test_the_second_look_takes_the_index(mariadb, theirs):
    mariadb.rows(
        f"INSERT INTO {theirs}.event_outbox SELECT concat('n', seq), 'done', now(6), seq FROM {theirs}.seq_1_to_5000"
    )
    mariadb.rows(f"ANALYZE TABLE {theirs}.event_outbox")
    mariadb.rows("FLUSH STATUS")
    source = MysqlTable(MysqlAddress.of(mariadb.address(theirs)))
    store = Store(source, *_asked(source))
    try:
        source._connection.cursor().execute("FLUSH STATUS")
        store.repeated(10)
        cursor = source._connection.cursor()
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read_rnd_next'")
        read = int(cursor.fetchone()[1])
    finally:
        store.close()
    assert read < 1_000, "the whole table was read again"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s, d: s.address(d, "event_outbx"), ["no table event_outbx", "event_outbox"]),
        (lambda s, d: s.address(d + "x"), ["no database theirs", "closest are theirs"]),
        (lambda s, d: s.address("information_schema"), ["no database information_schema"]),
        (lambda s, d: s.address(s.fresh()), ["No table", "there are none"]),
        (lambda s, d: s.address(d, user="nobody:h%40sh"), ["nobody:***@", "refuses the login", "MYSQL_PWD"]),
        (lambda s, d: f"mysql://me:hush@127.0.0.1:1/{d}", ["me:***@127.0.0.1:1", "cannot be reached"]),
        (lambda s, d: f"mysql:me:hush@127.0.0.1/{d}", ["has no // where the server begins", "mysql://user@host"]),
        (lambda s, d: f"mysql:/me:hush@127.0.0.1/{d}", ["has no // where the server begins"]),
        (lambda s, d: f"MariaDB:me:hush@127.0.0.1/{d}", ["This mariadb: address has no //"]),
        (lambda s, d: f"mysql:///me:hush@127.0.0.1/{d}", ["an @ or # in a place"]),
        (lambda s, d: f"mysql://me:hush@127.0.0.1:99999/{d}", ["no proper host and port", "%40"]),
        (lambda s, d: f"mysql://me:hu/sh@127.0.0.1/{d}", ["no proper host and port"]),
        (lambda s, d: f"mysql://me:12/hush@127.0.0.1/{d}", ["an @ or # in a place"]),
        (lambda s, d: f"mysql://me:12?hush@127.0.0.1/{d}", ["an @ or # in a place"]),
        (lambda s, d: f"mysql://me@127.0.0.1/{d}?tabel=x", ["knows no 'tabel'", "table"]),
        (lambda s, d: f"mysql://me@127.0.0.1/{d}?ssl-mode=strong", ["strong is no ssl-mode", "verify_identity"]),
        (lambda s, d: f"mysql://me@127.0.0.1/{d}?ssl-ca=none.pem", ["certificates", "PEM"]),
        (lambda s, d: f"mysql://root@127.0.0.1:{s.port}/{d}?ssl-mode=required", ["cannot be read", "SSL"]),
    ],
)  # fmt: skip
def test_refused_in_one_sentence(mariadb, theirs, make, words):
    with pytest.raises(PairmarkError) as refused:
        audit(make(mariadb, theirs))
    said = str(refused.value)
    assert "\n" not in said
    assert all(secret not in said for secret in ("hush", "h%40sh", "h@sh", "hu/sh"))
    for word in words:
        assert word in said, (word, said)


def test_a_column_that_is_not_there_and_two_tables(mariadb, theirs):
    with pytest.raises(BadRequest, match="closest are aggregate_id"):
        audit(mariadb.address(theirs), columns={"aggregate": "agregate_id"})
    mariadb.rows(f"CREATE TABLE {theirs}.outbox LIKE {theirs}.event_outbox")
    with pytest.raises(BadRequest, match=r"2 tables .* look like an outbox"):
        audit(mariadb.address(theirs))
    assert audit(mariadb.address(theirs, f"{theirs}.outbox")).verdict == "undetermined", "empty is never clean"


def test_a_server_that_is_slow_or_locked_is_given_up(mariadb, theirs):
    mariadb.rows(
        f"CREATE VIEW {theirs}.outbox AS SELECT aggregate_id, event_type, created_at, sleep(2) AS id FROM {theirs}.event_outbox"
    )
    with pytest.raises(Busy, match=r"took too long .*--statement-timeout") as refused:
        audit(mariadb.address(theirs, "outbox"), unique_on=["id"], server_settings={"statement_timeout": "100ms"})
    assert "\n" not in str(refused.value)
    with pymysql.connect(**mariadb.login()) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {theirs}.event_outbox WRITE")
        with pytest.raises(Busy, match="locked or being altered"):
            audit(mariadb.address(theirs, "event_outbox"), server_settings={"lock_timeout": "1s"})


def test_settings_of_another_server_are_left_alone_and_odd_limits_refused(mariadb, theirs):
    settings = {
        "work_mem": "64MB",
        "max_parallel_workers_per_gather": "0",
        "statement_timeout": "2s",
        "lock_timeout": "1500ms",
    }
    assert audit(mariadb.address(theirs), server_settings=settings).totals["duplicates"] == 1
    with pytest.raises(BadRequest, match="1min is no limit of time"):
        audit(mariadb.address(theirs), server_settings={"statement_timeout": "1min"})


def test_the_printed_rights_suffice_and_allow_no_more(mariadb, theirs, capsys, monkeypatch):
    mariadb.rows(f"CREATE TABLE {theirs}.secret (x int)")
    role = f"reader'\\{theirs}"
    assert main(["audit", "grants", mariadb.address(theirs, "event_outbox"), "--role", role]) == 0
    printed = capsys.readouterr().out
    assert "only read" in printed
    for statement in grants(mariadb.address(theirs, "event_outbox"), role).reading:
        mariadb.rows(statement)
    mariadb.rows("ALTER USER %s@'%%' IDENTIFIED BY 'hüsh' ACCOUNT UNLOCK", [role])
    address = f"mysql://{quote(role)}@127.0.0.1:{mariadb.port}/{theirs}"
    monkeypatch.setenv("MYSQL_PWD", "hüsh")
    assert audit(address).totals["duplicates"] == 1
    with pytest.raises(BadRequest, match="no table secret"):
        audit(f"{address}?table=secret")
    with pytest.raises(BadRequest, match="database"):
        grants("mysql://host", "reader")


def test_no_right_to_read_is_told(mariadb, theirs):
    mariadb.rows(f"CREATE USER writer_{theirs}@'%' IDENTIFIED BY 'hush'")
    mariadb.rows(f"GRANT INSERT ON {theirs}.event_outbox TO writer_{theirs}@'%'")
    with pytest.raises(BadRequest, match=r"may not be read by this login .*audit grants"):
        audit(f"mysql://writer_{theirs}:hush@127.0.0.1:{mariadb.port}/{theirs}")


def test_a_ledger_and_a_query_on_it_which_cannot_write(mariadb, theirs):
    mariadb.rows(f"CREATE TABLE {theirs}.charges (account_id varchar(9), amount decimal(20, 2), reference varchar(64))")
    mariadb.rows(f"INSERT INTO {theirs}.charges VALUES ('x', 0.10, 'a'), ('x', 0.10, 'a'), ('y', 5, 'b')")
    source, ledger = mariadb.address(theirs, "event_outbox"), mariadb.address(theirs, "charges")
    found = impact(source, ledger)
    assert [(one.account, str(one.overcharge)) for one in found.accounts] == [("x", "0.10")]
    query = "SELECT account_id, amount, reference FROM charges WHERE account_id LIKE '%x'"
    assert impact(source, ledger, ledger_query=query).accounts == found.accounts
    with pytest.raises(BadRequest, match="only read here"):
        impact(source, ledger, ledger_query=f"DELETE FROM {theirs}.charges")
    with pytest.raises(BadRequest, match="cannot do that"):
        impact(source, ledger, ledger_query="SELECT nothing FROM nowhere")
    assert mariadb.rows(f"SELECT count(*) FROM {theirs}.charges") == [(3,)]


def test_repair_and_probe_refuse(mariadb, theirs, capsys):
    assert main(["audit", "repair", mariadb.address(theirs)]) == 2
    assert "is only read" in capsys.readouterr().err
    with pytest.raises(BadRequest, match="Effects are not counted in a MySQL"):
        probe("http://127.0.0.1:1/", Effect("mail", mariadb.address(theirs), "aggregate_id"), pause=lambda _: None)


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    monkeypatch.delitem(sys.modules, "pairmark.audit.sources.mysql")
    with pytest.raises(BadRequest, match=r"MySQL needs the package .*Install pairmark\[mysql\]"):
        open_source("mysql://host/db")


def test_over_tls_the_server_is_proven(mariadb_tls, tmp_path):
    server, authority = mariadb_tls
    address = f"mysql://root@127.0.0.1:{server.port}/mysql"
    server.rows("CREATE DATABASE IF NOT EXISTS d")
    server.rows(f"CREATE OR REPLACE TABLE d.outbox ({OUTBOX})")
    for options in ("ssl-mode=required", f"ssl-ca={authority}", f"ssl-ca={authority}&ssl-mode=verify_identity"):
        assert audit(f"{address.removesuffix('mysql')}d?{options}").verdict == "undetermined"
    with pytest.raises(BadRequest, match=r"cannot be trusted over TLS .*ssl-ca=FILE"):
        audit(f"{address}?ssl-mode=verify_ca")


@pytest.fixture
def mariadb_tls(tmp_path):
    needed()
    key, certificate = certificate_in(tmp_path)
    server = MariaDB(tmp_path / "tls", [f"--ssl-cert={certificate}", f"--ssl-key={key}"])
    yield server, certificate
    server.close()
