"""The migration that a repair can be written as, run by Alembic itself, up and down."""

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from pairmark.audit.repair.emit import alembic
from pairmark.audit.repair.plan import make_plan
from pairmark.errors import BadRequest

CONTENT = (
    "SELECT id, aggregate_id, event_type, created_at, payload, published_at, writer, size FROM event_outbox ORDER BY id"
)
ENVIRONMENT = """
from alembic import context
context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
"""


def run(folder, place, way, revision):
    (folder / "env.py").write_text(ENVIRONMENT)
    (folder / "versions").mkdir(exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    engine = sqlalchemy.create_engine(place.url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        getattr(command, way)(config, revision)
        connection.commit()
    engine.dispose()


@pytest.mark.parametrize("options", [{}, {"where": "aggregate_id <> ':x' AND aggregate_id LIKE '%'", "batch": 40}])
def test_up_and_down(place, tmp_path, options):
    place.outbox(30, 100)
    before = place.rows(CONTENT)
    request = place.request(**options)
    text = alembic(make_plan(request), request, revision="abc123")
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "abc123_repair.py").write_text(text)
    run(tmp_path, place, "upgrade", "head")
    assert place.rows(CONTENT) == before[:30]
    assert place.left_over() == ["pairmark_evading", "pairmark_quarantine"]
    with pytest.raises(psycopg.errors.UniqueViolation):
        place.rows("INSERT INTO event_outbox (aggregate_id) VALUES ('a1')")
    assert place.rows("SELECT version_num FROM alembic_version") == [("abc123",)]
    run(tmp_path, place, "downgrade", "base")
    assert place.rows(CONTENT) == before
    assert place.left_over() == []


def test_it_goes_on_after_a_failure_in_the_middle(place, tmp_path):
    place.outbox(30, 100)
    request = place.request()
    text = alembic(make_plan(request), request)
    (tmp_path / "versions").mkdir()
    page = tmp_path / "versions" / "repair.py"
    page.write_text(text.replace("        _build(run, *UNIQUE)\n", "        run('SELECT 1 / 0')\n"))
    with pytest.raises(sqlalchemy.exc.DataError):
        run(tmp_path, place, "upgrade", "head")
    page.write_text(text)
    run(tmp_path, place, "upgrade", "head")
    assert place.summary() == (30, 0)


def test_the_revisions_are_those_that_were_named(place):
    place.outbox(3, 4)
    request = place.request()
    text = alembic(make_plan(request), request, down="before")
    namespace: dict = {}
    exec(compile(text, "migration", "exec"), namespace)
    assert namespace["down_revision"] == "before"
    for name in ("a b", "x" * 65, "'"):
        with pytest.raises(BadRequest, match="is no revision"):
            alembic(make_plan(request), request, revision=name)
