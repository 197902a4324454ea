"""Each service against its own database: the same work, nothing where it does not belong, and no mixing of addresses."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pairmark.audit.selfcheck import self_check
from pairmark.bootstrap import System
from pairmark.clock import ManualClock
from pairmark.config import load
from pairmark.errors import BadRequest
from pairmark.outcome import collect
from pairmark.storage import schema
from pairmark.storage.connection import Database, execute
from support.command import TEXTS, VOTES, Pairmark
from support.postgres import Databases, as_url
from support.system import submit

OURS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' ORDER BY 1"
Spread = Callable[[dict[str, str]], Database]


@pytest.fixture
def empty(postgres: Databases) -> Iterator[Callable[[str], str]]:
    """`empty(name)`: the address of an empty database, gone after the test."""
    made: list[str] = []

    def create(name: str) -> str:
        made.append(postgres.create(f"spread_{name}"))
        return postgres.conninfo(made[-1])

    yield create
    for name in made:
        postgres.drop(name)


def schemas_at(database: Database, name: str) -> list[str]:
    with database.connect(schema=name) as connection:
        return [row[0] for row in execute(connection, OURS)]


def test_services_in_four_databases_do_the_same_work(empty: Callable[[str], str], clock: ManualClock, system: System):
    places = {"judging": empty("judging"), "entitlements": empty("money"), "assessment": empty("assessment")}
    spread = System(
        Database(empty("main"), direct_login=True, elsewhere=places | {"results": places["judging"]}), clock=clock
    )
    schema.upgrade(spread.database)
    schema.require_current(spread.database, upgrade_if_needed=False)
    assert schemas_at(spread.database, "judging") == ["installation", "judging", "results"]
    assert schemas_at(spread.database, "entitlements") == ["entitlements", "installation"]
    assert schemas_at(spread.database, "assessment") == ["assessment", "installation"]
    assert schemas_at(spread.database, "transport") == ["content", "installation", "lifecycle", "transport"]
    results = []
    for one in (spread, system):
        one.accounts.ensure_default()
        ticket, cancelled = submit(one, 6), submit(one, 5)
        one.relays["lifecycle"].step()
        one.finalization.cancel(cancelled.job_id, "a test")
        one.drain()
        results.append(collect(one, ticket.job_id))
        assert self_check(one.database).findings == []
    assert results[0].status.startswith("COMPLETE_")
    assert results[0].events == results[1].events
    assert [essay.theta for essay in results[0].essays] == [essay.theta for essay in results[1].essays]
    spread.close()


def test_the_self_check_finds_across_databases_what_is_lost_between_them(
    empty: Callable[[str], str], clock: ManualClock
):
    spread = System(Database(empty("main"), direct_login=True, elsewhere={"results": empty("results")}), clock=clock)
    schema.upgrade(spread.database)
    spread.accounts.ensure_default()
    submit(spread, 4)
    spread.drain()
    with spread.database.connect(schema="results") as connection:
        connection.execute("DROP TRIGGER outcome_is_permanent ON results.outcome")
        connection.execute("DELETE FROM results.essay_result")
        connection.execute("DELETE FROM results.outcome")
    assert any("results has nothing" in finding for finding in self_check(spread.database).findings)
    spread.close()


@pytest.fixture
def installed(empty: Callable[[str], str]) -> dict[str, str]:
    """Addresses of an installation whose judging stands alone."""
    places = {"main": empty("main"), "judging": empty("judging")}
    schema.upgrade(at(places["main"], judging=places["judging"]))
    return places


def at(main: str, **elsewhere: str) -> Database:
    return Database(main, direct_login=True, elsewhere=elsewhere)


@pytest.mark.parametrize(
    "act", [schema.upgrade, lambda database: schema.require_current(database, upgrade_if_needed=True)]
)
def test_a_service_does_not_begin_anew_beside_its_data(
    installed: dict[str, str], empty: Callable[[str], str], act: Callable[[Database], object]
):
    """Without its address, with another, or with one that it never had: refused, and nothing is made."""
    fresh = empty("fresh")
    for wrong in (
        at(installed["main"]),
        at(installed["main"], judging=installed["judging"], results=fresh),
    ):
        with pytest.raises(BadRequest, match=r"is that of .* the addresses given want .* there"):
            act(wrong)
    with pytest.raises(BadRequest, match="is that of judging"):
        act(at(fresh, judging=installed["judging"], results=installed["judging"]))
    with Database(fresh).connect() as connection:
        assert execute(connection, OURS) == []


def test_a_database_of_an_older_version_is_taken_as_it_stands(empty: Callable[[str], str]):
    """It does not say yet what it holds; addresses that lead away from what is there are refused all the same."""
    main, judging = empty("main"), empty("judging")
    schema.upgrade(at(main))
    with Database(main).connect() as connection:
        connection.execute("DROP SCHEMA installation CASCADE")
    with pytest.raises(BadRequest, match="older than this version"):
        schema.require_current(at(main), upgrade_if_needed=False)
    with pytest.raises(BadRequest, match=r"is that of .*judging.* the addresses given want"):
        schema.upgrade(at(main, judging=judging))
    assert schema.upgrade(at(main)) == schema.HEADS


def test_databases_of_two_installations_are_not_mixed(installed: dict[str, str], empty: Callable[[str], str]):
    others = at(empty("other_main"), judging=empty("other_judging"))
    schema.upgrade(others)
    with pytest.raises(BadRequest, match="different installations"):
        schema.upgrade(at(installed["main"], judging=others.address("judging")))


def test_one_database_under_two_addresses_is_told(empty: Callable[[str], str]):
    main = empty("main")
    with pytest.raises(BadRequest, match="are one database"):
        schema.upgrade(at(main, judging=f"{main} application_name=judging"))
    assert schemas_at(Database(main), "judging") == []


def test_commands_take_the_addresses_from_the_environment(empty: Callable[[str], str], tmp_path: Path):
    """The whole demo over two databases, `doctor` included."""
    with tempfile.TemporaryDirectory(prefix="pm-url-") as folder:
        pairmark = Pairmark(
            Path(folder),
            PAIRMARK_DATABASE=as_url(empty("main")),
            PAIRMARK_DATABASE_JUDGING=as_url(empty("judging")),
            PAIRMARK_DATABASE_CONTENT="",
        )
        done = pairmark.json("assess", TEXTS, "--judge", f"replay:{VOTES}", "--seed", "1", "--out", tmp_path / "out")
        assert done["status"].startswith("COMPLETE_")
        doctor = pairmark.json("doctor")
        assert doctor["good"]
        assert "with databases of their own: judging" in doctor["checks"][1]["says"]
        mixed = Pairmark(Path(folder), PAIRMARK_DATABASE=pairmark.environment["PAIRMARK_DATABASE"])
        mixed.run("status").refused("is that of", "PAIRMARK_DATABASE")
        wrong = Pairmark(Path(folder), PAIRMARK_DATABASE_TRANSPORT="postgresql://x")
        wrong.run("status").refused("PAIRMARK_DATABASE_TRANSPORT names no service")


def test_an_address_that_is_the_main_one_is_none_of_its_own():
    given = {"PAIRMARK_DATABASE": "postgresql://a/b", "PAIRMARK_DATABASE_JUDGING": "postgresql://a/b"}
    assert load(environ=given).elsewhere == {}
    assert load(environ=given, database="postgresql://a/c").elsewhere == {"judging": "postgresql://a/b"}
