"""Who was charged how often, by the ledger and by nothing else; refunds that are exact; effects counted next to facts."""

import csv
import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pairmark.audit.consumers import Effect, effects, look_for_presets, parse_effect
from pairmark.audit.impact import impact
from pairmark.audit.refunds import refund_csv, refund_sql
from pairmark.errors import BadRequest
from pairmark.storage.connection import Database
from support.command import Pairmark
from support.incident import PATH, SECOND, WORST, rows

CHARGES = [
    *(("school-1", "0.10", WORST.upper(), f"2025-11-15 19:00:{n:02}") for n in range(12)),
    ("school-1", "3.5", SECOND, "2025-11-16 10:00:00"),
    ("school-2", "7", SECOND, "2025-11-16 09:00:00"),
    ("school-2", "9", SECOND, "2025-11-16 11:00:00"),
    ("school-3", "5", rows()[0]["aggregate_id"], "2025-11-16 11:00:00"),
    ("school-3", "5", rows()[0]["aggregate_id"], "2025-11-16 11:00:00"),
]
HEADER = ("account_id", "amount", "reference", "created_at")


def as_csv(folder: Path, conninfo: str, charges=CHARGES, header=HEADER) -> str:
    with (folder / "ledger.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *charges])
    return str(folder / "ledger.csv")


def as_jsonl(folder: Path, conninfo: str) -> str:
    text = "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in CHARGES)
    (folder / "ledger.jsonl").write_text(text, encoding="utf-8")
    return str(folder / "ledger.jsonl")


def as_parquet(folder: Path, conninfo: str) -> str:
    with duckdb.connect() as store:
        store.execute(
            f"CREATE TABLE t AS SELECT * REPLACE (amount::DECIMAL(18, 2) AS amount) FROM '{as_csv(folder, conninfo)}'"
        )
        store.execute(f"COPY t TO '{folder}/ledger.parquet'")
    return f"{folder}/ledger.parquet"


def as_sqlite(folder: Path, conninfo: str) -> str:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute("CREATE TABLE credit_ledger (account_id TEXT, amount TEXT, reference TEXT, created_at TEXT)")
        connection.executemany("INSERT INTO credit_ledger VALUES (?, ?, ?, ?)", CHARGES)
        connection.commit()
    return f"sqlite:{folder / 'ledger.db'}?table=credit_ledger"


def as_postgresql(folder: Path, conninfo: str) -> str:
    with Database(conninfo, direct_login=True).connect() as connection:
        connection.execute("CREATE SCHEMA money")
        connection.execute(
            "CREATE TABLE money.credit_ledger (account_id text, amount numeric, reference text, created_at timestamptz)"
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO money.credit_ledger VALUES (%s, %s, %s, %s::timestamptz)", CHARGES)
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&table=money.credit_ledger"


@pytest.mark.parametrize(
    "made", [as_csv, as_jsonl, as_parquet, as_sqlite, as_postgresql], ids=lambda one: one.__name__[3:]
)
def test_who_was_charged_how_often_from_every_kind_of_ledger(made, tmp_path, conninfo):
    found = impact(str(PATH), made(tmp_path, conninfo))
    assert (found.verdict, found.sign, found.repeated, found.charged, found.not_charged) == (
        "findings",
        "positive",
        2,
        2,
        0,
    )
    assert [(one.account, one.reference, one.told, one.charges, one.overcharge, one.alike) for one in found.overcharged] == [
        ("school-2", SECOND, 13, 2, Decimal(9), False), ("school-1", WORST, 83, 12, Decimal("1.10"), True)
    ]  # fmt: skip
    assert [(one.account, one.overcharge) for one in found.accounts] == [
        ("school-2", Decimal(9)),
        ("school-1", Decimal("1.1")),
    ]
    assert found.charged_once == 1


def test_amounts_are_exact_to_the_last_digit(tmp_path):
    small = [
        ("a", "0.1", SECOND, ""),
        ("a", "0.2", SECOND, ""),
        ("a", "12345678901234567890.000000000000000000001", SECOND, ""),
    ]
    (one,) = impact(str(PATH), as_csv(tmp_path, "", small)).overcharged
    assert f"{one.net:f}" == "12345678901234567890.300000000000000000001"


@pytest.mark.parametrize("name", ["sqlite", "csv", "postgresql"])
def test_a_query_may_stand_for_the_table(tmp_path, conninfo, name):
    made = {"sqlite": as_sqlite, "csv": as_csv, "postgresql": as_postgresql}[name]
    table = {"sqlite": "credit_ledger", "csv": "ledger", "postgresql": "money.credit_ledger"}[name]
    query = f"SELECT 'x' || account_id AS who, amount, reference AS what FROM {table} WHERE account_id = 'school-1'"
    columns = {"account": "who", "reference": "what"}
    found = impact(str(PATH), made(tmp_path, conninfo), ledger_query=query, ledger_columns=columns)
    assert [(one.account, one.overcharge) for one in found.accounts] == [("xschool-1", Decimal("1.1"))]


@pytest.mark.parametrize("made", [as_sqlite, as_postgresql, as_csv])
def test_a_query_cannot_write(tmp_path, conninfo, made):
    address = made(tmp_path, conninfo)
    before = impact(str(PATH), address).accounts
    deletes = [f"DELETE FROM {table} RETURNING *" for table in ("credit_ledger", "money.credit_ledger")]
    for query in (*deletes, f"COMMIT; {deletes[1]}", f"COPY ledger TO '{tmp_path}/x.csv'"):
        with pytest.raises(BadRequest):
            impact(str(PATH), address, ledger_query=query)
    assert impact(str(PATH), address).accounts == before
    assert not (tmp_path / "x.csv").exists()


def test_a_refund_already_given_is_taken_off_and_signs_are_never_guessed(tmp_path):
    charged = [("a", "-4", SECOND, "1"), ("a", "-4", SECOND, "2"), ("a", "-4", SECOND, "3"), ("a", "4", SECOND, "4")]
    with pytest.raises(BadRequest, match="--charges positive or --charges negative"):
        impact(str(PATH), as_csv(tmp_path, "", charged))
    (one,) = impact(str(PATH), as_csv(tmp_path, "", charged), charges="negative").overcharged
    assert (one.charges, one.net, one.overcharge) == (3, Decimal(8), Decimal(4))
    whole = [*charged, ("a", "4", SECOND, "5"), ("a", "-4", WORST, "6")]
    assert impact(str(PATH), as_csv(tmp_path, "", whole), charges="negative").verdict == "clean"
    assert impact(str(PATH), as_csv(tmp_path, "", charged[:1])).sign == "negative"


def test_currencies_are_never_added_up(tmp_path):
    header = ("account_id", "amount", "reference", "currency")
    charged = [
        ("a", "4", SECOND, "EUR"),
        ("a", "4", SECOND, "EUR"),
        ("a", "40", SECOND, "SEK"),
        ("a", "40", SECOND, "SEK"),
    ]
    found = impact(str(PATH), as_csv(tmp_path, "", charged, header))
    assert [(one.currency, one.overcharge) for one in found.accounts] == [("EUR", Decimal(4)), ("SEK", Decimal(40))]


def test_a_ledger_that_matches_nothing_says_nothing(tmp_path):
    assert impact(str(PATH), as_csv(tmp_path, "", [("a", "1", "other", "")])).verdict == "undetermined"
    single = next(row["aggregate_id"] for row in rows() if row["aggregate_id"] not in (WORST, SECOND))
    assert impact(str(PATH), as_csv(tmp_path, "", [("a", "1", single, "")])).verdict == "undetermined"
    one = impact(str(PATH), as_csv(tmp_path, "", [("a", "1", SECOND, "")]))
    assert (one.verdict, one.charged, one.without_charge) == ("undetermined", 1, [WORST])
    both = impact(str(PATH), as_csv(tmp_path, "", [("a", "1", SECOND, ""), ("a", "1", WORST, "")]))
    assert (both.verdict, both.charged, both.without_charge) == ("clean", 2, [])
    assert (
        impact(str(PATH), as_csv(tmp_path, "", [("a", "1", single, "")]), unique_on=["aggregate", "id"]).verdict
        == "clean"
    )


@pytest.mark.parametrize("amount", ["1,234.50", "$3", "NaN", "", "Infinity"])
def test_an_amount_that_is_no_number_is_refused_by_name(tmp_path, amount):
    with pytest.raises(BadRequest, match=f"for {SECOND}, which is no number"):
        impact(str(PATH), as_csv(tmp_path, "", [("a", amount, SECOND, "")]))


def test_refund_files_are_exact_guarded_and_undo_nothing_by_themselves(tmp_path):
    evil, quote = '=HYPERLINK("x")', "o'brien\n; DROP TABLE refunds; --"
    charged = [(who, "0.10", SECOND, "") for who in (evil, evil, quote, quote)]
    found = impact(str(PATH), as_csv(tmp_path, "", charged))
    table = list(csv.DictReader(refund_csv(found).decode().splitlines(keepends=True)))
    assert {(row["account"], row["refund"]) for row in table} == {("'" + evil, "0.10"), (quote, "0.10")}
    sql = refund_sql(found, "refunds").decode()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as store:
        store.execute("CREATE TABLE refunds (account_id, reference, amount)")
        store.executescript(sql)
        assert store.execute("SELECT count(*) FROM refunds").fetchone() == (0,)
        for _ in range(2):
            store.executescript(sql.replace("ROLLBACK;", "COMMIT;"))
        assert sorted(store.execute("SELECT account_id, CAST(amount AS TEXT) FROM refunds")) == [
            (evil, "-0.1"),
            (quote, "-0.1"),
        ]


def test_effects_are_counted_next_to_how_often_the_fact_was_told(tmp_path):
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE mail (batch_id TEXT)")
        connection.executemany("INSERT INTO mail VALUES (?)", [(WORST,)] * 3 + [(SECOND,), ("other",), ("other",)])
        connection.execute("CREATE TABLE credit_operations (batch_id TEXT, amount)")
        connection.execute("CREATE TABLE batch_results (job_id TEXT)")
        connection.executemany("INSERT INTO batch_results VALUES (?)", [(WORST,), (SECOND,)])
        connection.commit()
    told = {WORST: 83, SECOND: 13}
    mail = effects(Effect("mail", f"sqlite:{tmp_path}/app.db?table=mail", "batch_id"), told)
    assert (mail.verdict, mail.rows, mail.facts_with_effect, mail.repeated_facts, mail.most) == ("repeated", 4, 2, 1, 3)
    assert mail.examples == [{"fact": WORST, "told": 83, "effects": 3}]
    looked_for = look_for_presets([f"sqlite:{tmp_path}/app.db"])
    preset = {effect.name: effects(effect, told) for one in looked_for for effect in one.effects}
    assert {name: one.verdict for name, one in preset.items()} == {
        "entitlements: credit_operations": "nothing", "results: batch_results": "one each"
    }  # fmt: skip
    assert "overwrites" in preset["results: batch_results"].says


def platform(path: Path, **tables: list[tuple[str, ...]]) -> str:
    """A database with tables that have their columns in the first row."""
    with closing(sqlite3.connect(path)) as connection:
        for name, (columns, *filled) in tables.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", filled)
        connection.commit()
    return f"sqlite:{path}"


def test_presets_say_what_they_looked_for_and_an_absent_table_is_never_clean(tmp_path):
    both = [(WORST,), (SECOND,)]
    one = platform(tmp_path / "a.db", batch=[("batch_id",), *both], reservation=[("batch_id",), *both])
    done = Pairmark(tmp_path).run("audit", "impact", str(PATH), "--consumers", one)
    assert done.code == 3
    assert (
        f"results: looked in {one} for a table named outcome, batch_result, batch_results, assessment_result, "
        "published_results: none. Nothing can be said of results; name its table by --effect." in done.out
    )
    assert "entitlements: looked in" in done.out
    assert "found reservation." in done.out
    other = platform(tmp_path / "b.db", outcome=[("job_id",), *both])
    both = Pairmark(tmp_path).run("audit", "impact", str(PATH), "--consumers", one, "--consumers", other)
    assert (both.code, f"looked in {one}, {other} for" in both.out) == (0, True)
    only = ("--consumers", one, "--preset", "lifecycle", "--preset", "entitlements")
    assert Pairmark(tmp_path).run("audit", "impact", str(PATH), *only).code == 0
    empty = Pairmark(tmp_path).json("audit", "impact", str(PATH), "--consumers", platform(tmp_path / "c.db"), code=3)
    assert [(part["part"], part["found"]) for part in empty["presets"]] == [
        ("lifecycle", []), ("results", []), ("entitlements", [])
    ]  # fmt: skip
    Pairmark(tmp_path).run("audit", "impact", str(PATH), "--consumers", one, "--preset", "mail").refused(
        "lifecycle, results"
    )
    where_not = ("--effect", f"batch={one}?table=batch#batch_id", "--preset", "results")
    Pairmark(tmp_path).run("audit", "impact", str(PATH), *where_not).refused("Give --consumers, too")


def test_a_table_named_right_without_a_key_is_told_and_says_nothing(tmp_path):
    (found,) = look_for_presets([platform(tmp_path / "a.db", ledger=[("account", "amount")])], ["entitlements"])
    assert (found.effects, found.without_key) == ((), ("ledger",))
    assert "ledger has none of the columns batch_id, reference, operation_ref" in found.says


def test_several_effects_on_one_fact_are_told_apart_by_a_column(tmp_path):
    rows = [("batch_id", "template"), (WORST, "done"), (WORST, "receipt"), (SECOND, "done"), (SECOND, "done")]
    phases = [("batch_id", "phase"), (WORST, "a"), (WORST, "b"), (SECOND, "a")]
    address = platform(tmp_path / "a.db", mail=rows, status_history=phases)
    told = {WORST: 83, SECOND: 13}
    mail = effects(parse_effect(f"mail={address}?table=mail#batch_id,template"), told)
    assert (mail.effect, mail.verdict, mail.rows, mail.facts_with_effect) == ("template", "repeated", 4, 2)
    assert mail.examples == [{"fact": SECOND, "told": 13, "effects": 2}]
    assert effects(parse_effect(f"mail={address}?table=mail#batch_id"), told).repeated_facts == 2
    (history,) = look_for_presets([address], ["lifecycle"])[0].effects
    assert (history.key, history.effect, effects(history, told).verdict) == ("batch_id", "phase", "one each")
    for wrong in ("mail=x#", "mail=x#batch_id,", "=x#a", "mail=#a"):
        with pytest.raises(BadRequest, match="names no effect"):
            parse_effect(wrong)
    with pytest.raises(BadRequest, match="closest are template"):
        effects(parse_effect(f"mail={address}?table=mail#batch_id,templat"), told)


def test_a_table_that_lacks_some_of_the_facts_is_not_clean(tmp_path):
    address = platform(tmp_path / "a.db", mail=[("batch_id",), (WORST,)])
    found = effects(parse_effect(f"mail={address}?table=mail#batch_id"), {WORST: 83, SECOND: 13})
    assert (found.verdict, found.facts, found.facts_with_effect) == ("some", 2, 1)
    done = Pairmark(tmp_path).run("audit", "impact", str(PATH), "--effect", f"mail={address}?table=mail#batch_id")
    assert (done.code, "1 rows for 1 of 2 facts" in done.out) == (3, True)


UNIQUE_IN = {
    "CREATE TABLE mail (batch_id {key} PRIMARY KEY, kind {key})": ("unique", "unique"),
    "CREATE TABLE mail (batch_id {key}, kind {key}, UNIQUE (kind, batch_id))": ("one each", "unique"),
    "CREATE TABLE mail (n int, batch_id {key}, kind {key}, UNIQUE (n, batch_id))": ("one each", "one each"),
}


@pytest.mark.parametrize("made", UNIQUE_IN, ids=["primary key", "with the effect", "with another column"])
@pytest.mark.parametrize("on", ["sqlite", "postgresql", "mysql"])
def test_a_key_that_is_unique_proves_nothing(tmp_path, request, on, made):
    statements = [made.format(key="varchar(64)")]
    statements += [f"INSERT INTO mail (batch_id, kind) VALUES ('{fact}', 'done')" for fact in (WORST, SECOND)]
    address = request.getfixturevalue(f"on_{on}")(statements)
    for columns, verdict in zip(("batch_id", "batch_id,kind"), UNIQUE_IN[made], strict=True):
        found = effects(parse_effect(f"mail={address}#{columns}"), {WORST: 83, SECOND: 13})
        assert (found.verdict, found.facts_with_effect) == (verdict, 2)
    assert ("its key is unique" in found.says) == (found.verdict == "unique")


@pytest.fixture
def on_sqlite(tmp_path):
    def make(statements):
        with closing(sqlite3.connect(tmp_path / "u.db")) as connection:
            connection.executescript(";".join(statements))
        return f"sqlite:{tmp_path}/u.db?table=mail"

    return make


@pytest.fixture
def on_postgresql(conninfo):
    def make(statements):
        with Database(conninfo, direct_login=True).connect() as connection:
            for statement in ("CREATE SCHEMA theirs", "SET search_path = theirs", *statements):
                connection.execute(statement)
        parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
        return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&table=theirs.mail"

    return make


@pytest.fixture
def on_mysql(mariadb):
    def make(statements):
        database = mariadb.fresh()
        for statement in statements:
            mariadb.rows(statement.replace(" mail ", f" {database}.mail "))
        return mariadb.address(database, "mail")

    return make


def test_where_nothing_was_told_again_no_consumer_is_asked(tmp_path):
    source = tmp_path / "events.csv"
    source.write_text("aggregate_id,event_type,created_at\na,done,2026-01-05\n", encoding="utf-8")
    asked = ("--consumers", f"sqlite:{tmp_path}/none.db", "--effect", f"mail=sqlite:{tmp_path}/none.db#batch_id")
    clean = Pairmark(tmp_path).run("audit", "impact", str(source), *asked)
    assert (clean.code, clean.out.strip()) == (
        0, "Nothing was told more than once, so no consumer can have acted on a duplicate; none was asked."
    )  # fmt: skip
    assert Pairmark(tmp_path).json("audit", "impact", str(source), *asked)["told_again"] == 0
    source.write_text("aggregate_id,event_type,created_at\n", encoding="utf-8")
    nothing = Pairmark(tmp_path).run("audit", "impact", str(source), *asked)
    assert (nothing.code, "which proves nothing" in nothing.out) == (3, True)


@pytest.mark.parametrize("name", ["our.ledger", "a&b.ledger", "50%41+x #1.ledger"])
def test_tables_are_found_whatever_the_name_of_their_schema(tmp_path, conninfo, name):
    parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items()}
    schema = name.removesuffix(".ledger")
    with Database(conninfo, direct_login=True).connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("CREATE TABLE {} (batch_id text)").format(sql.Identifier(schema, "ledger")))
        connection.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(schema, "ledger"), WORST))
    (found,) = look_for_presets(
        [f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"], ["entitlements"]
    )
    (effect,) = [one for one in found.effects if one.name.endswith(name)]
    assert effects(effect, {WORST: 83}).verdict == "one each"


def test_a_sqlite_table_may_have_any_name_in_an_address(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute('CREATE TABLE "a&b 50%" (batch_id TEXT)')
        connection.execute('INSERT INTO "a&b 50%" VALUES (?)', [WORST])
        connection.commit()
    found = effects(parse_effect(f"mail=sqlite:{tmp_path}/a.db?table=a%26b%2050%25#batch_id"), {WORST: 83})
    assert found.verdict == "one each"


def test_the_command_prints_both_and_ends_by_the_worse(tmp_path):
    ledger = as_csv(tmp_path, "")
    files = ("--refund-csv", f"{tmp_path}/r.csv", "--refund-sql", f"{tmp_path}/r.sql")
    done = Pairmark(tmp_path).run("audit", "impact", str(PATH), "--ledger", ledger, *files)
    assert done.code == 1
    for words in (
        "told 83 times, charged 12 times, 1.20 in all, 0.10 first; overcharge 1.10",
        "Account school-2: overcharge 9",
        "Events alone",
    ):
        assert words in done.out, done.out
    assert (tmp_path / "r.csv").read_text(encoding="utf-8").count("\n") == 3
    effect = f"again={ledger}#reference"
    assert (
        Pairmark(tmp_path).json("audit", "impact", str(PATH), "--effect", effect, code=1)["consumers"][0]["most"] == 12
    )
    Pairmark(tmp_path).run("audit", "impact", str(PATH)).refused("--ledger, --consumers or --effect")
    Pairmark(tmp_path).run("audit", "impact", str(PATH), "--effect", "mail").refused("NAME=ADDRESS#COLUMN")
    Pairmark(tmp_path).run("audit", "impact", str(PATH), "--effect", f"a={ledger}#referense").refused(
        "closest are reference"
    )
    Pairmark(tmp_path).run("audit", "impact", str(PATH), "--ledger", str(PATH)).refused(
        "no column for account and amount"
    )
