"""Whatever anybody puts on the topics, workers go on; each message is answered, kept or held as it should be."""

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pairmark.messaging import topics
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.storage.connection import Database
from pairmark.storage.waiting import until
from support.command import Pairmark
from support.contract import FAILED, REQUESTED, RESULT, envelope, essays_with_text, request
from support.fleet import JUDGE, Fleet, over
from support.refused import BAD
from support.roads import cluster_of

PATIENCE = 90.0
YEAR_AHEAD = "2027-11-26T09:00:00Z"
PLACES = {"quarantine": 1, "answered": 1, "dead": 0, "refused": 0}
ANSWERED = "SELECT count(*) FROM assessment.batch WHERE status = 'ERROR_PROCESSING' AND stop_reason = 'invalid_request'"


@pytest.fixture
def fleet(request: pytest.FixtureRequest, database: Database) -> Fleet:
    """An installation with three partitions to a topic."""
    return over(cluster_of(request, "kafka", 3), database)


@pytest.fixture
def platform(fleet: Fleet) -> Iterator[Pairmark]:
    with tempfile.TemporaryDirectory(prefix="pm-bad-") as folder:
        command = fleet.command(Path(folder))
        assert command.run("credits", "grant", "--user", "teacher-7", "100000", "--operation", "start").code == 0
        yield command


def test_g10_bad_requests_and_callbacks_hold_up_no_worker_and_each_has_its_place(fleet: Fleet, platform: Pairmark):
    """A good request stands behind all of them, on every partition; one of them is of a clock that is a year ahead."""
    bad = [{"value": make().encode("utf-8", "surrogatepass"), "key": kind} for kind, (make, _) in BAD.items()]
    unknown = envelope(RESULT, {"request_id": str(uuid4()), "winner": "Essay A"})
    long = envelope(RESULT, {"request_id": str(uuid4()), "winner": "Essay A", "justification": "x" * 5_000_000})
    good = [good_request(f"good {number}", "x" * (5_000_000 if number == 0 else 1)) for number in range(6)]
    fleet.produce(REQUESTED, bad)
    fleet.produce(RESULT, [{"value": json.dumps(one), "key": "nobody"} for one in (unknown, long)])
    fleet.produce(REQUESTED, good)
    with platform.started("worker") as worker:
        kept = sum(PLACES[where] for _, where in BAD.values()) + 2
        assert until(lambda: fleet.rows(f"{ANSWERED}") == [(answered(),)], PATIENCE, pause=0.1)
        assert until(lambda: complete(fleet) == len(good), PATIENCE, pause=0.1)
        assert until(lambda: fleet.rows("SELECT count(*) FROM assessment.quarantine") == [(kept,)], PATIENCE, pause=0.1)
        held = sum(where == "dead" for _, where in BAD.values())
        assert until(lambda: fleet.rows(HELD) == [(held,)], PATIENCE, pause=0.1)
        told = until(lambda: len(found := fleet.log(FAILED)) == answered() and found, PATIENCE, pause=0.5)
        finished = fleet.rows(
            "SELECT c.id FROM assessment.comparison c JOIN assessment.batch b ON b.id = c.batch_id LIMIT 1"
        )
        late = envelope(RESULT, {"request_id": str(finished[0][0]), "winner": "Essay A"})
        fleet.produce(RESULT, [{"value": json.dumps(late), "key": "late"}])
        assert until(
            lambda: fleet.rows("SELECT count(*) FROM assessment.judgement WHERE NOT closing") == [(1,)], PATIENCE
        )
        worker.signal(signal.SIGTERM)
        done = worker.end(timeout=12)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    errors = [
        json.loads(body)["data"]["system_metadata"]["error_info"] for events in told.values() for _, body in events
    ]
    assert {one["error_code"] for one in errors} == {"invalid_request"}
    assert complete(fleet) == len(good)


HELD = "SELECT (SELECT count(*) FROM assessment.held_message) + (SELECT count(*) FROM assessment.dead_letter)"


def answered() -> int:
    return sum(where in {"answered", "refused"} for _, where in BAD.values())


def good_request(entity: str, padding: str) -> dict[str, str]:
    design = {"judge": JUDGE, "comparisons_per_essay": 3}
    data = request(essays_with_text(3), entity_id=entity, course_code=padding, design=design)
    return {"value": json.dumps(envelope(REQUESTED, data, event_timestamp=YEAR_AHEAD)), "key": entity}


def complete(fleet: Fleet) -> int:
    return int(fleet.rows("SELECT count(*) FROM assessment.batch WHERE status LIKE 'COMPLETE%'")[0][0])


def test_a_worker_whose_topics_are_not_made_says_so_and_goes_on_when_they_are(request, database, tmp_path):
    kafka = request.getfixturevalue("kafka")
    connection = KafkaConnection(kafka.bootstrap, prefix=f"b{uuid4().hex[:10]}.")
    fleet = over(connection, database)
    command = fleet.command(tmp_path)
    assert command.run("credits", "grant", "--user", "local", "100000", "--operation", "start").code == 0
    with command.started("worker", "--roles", "assessment") as worker:
        assert "working as assessment" in worker.line()
        said = worker.line()
        assert "Kafka has no topic" in said
        assert "pairmark topics create" in said
        topics.create(connection, 1)
        with command.started("worker") as other:
            fleet.request(1)
            assert until(lambda: complete(fleet) == 1, PATIENCE, pause=0.1)
            for one in (worker, other):
                one.signal(signal.SIGTERM)
                assert one.end(timeout=12).code == 0
    assert fleet.broken_promises() == []
