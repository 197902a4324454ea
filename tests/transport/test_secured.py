"""Kafka behind a login over TLS: commands get in by what the environment says, nobody else does, and no password is ever shown."""

import json
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from pairmark.events.catalogue import AssessmentCompleted
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.storage.connection import Database
from pairmark.storage.waiting import until
from support.command import Done, Pairmark
from support.fleet import Fleet
from support.kafka import Kafka
from support.kafka_secured import PASSWORD, Secured

WRONG = "An0ther-h0rse"


@pytest.fixture
def fleet(kafka: Kafka, database: Database) -> Fleet:
    """An installation whose topics are not made yet; its client comes in by the open door, the commands do not."""
    return Fleet(database, KafkaConnection(kafka.bootstrap, prefix=f"s{uuid4().hex[:10]}."))


@pytest.fixture
def platform(fleet: Fleet, secured: Secured) -> Iterator[Pairmark]:
    with tempfile.TemporaryDirectory(prefix="pm-secured-") as folder:
        command = fleet.command(Path(folder))
        command.environment |= secured.environment()
        yield command


def told(done: Done) -> str:
    """All that a command said, which no secret is part of."""
    for secret in (PASSWORD, WRONG):
        assert secret not in done.out + done.err
    assert "Traceback" not in done.err
    return done.err


def address(platform: Pairmark, fleet: Fleet) -> str:
    return f"kafka://{platform.environment['PAIRMARK_KAFKA']}/{fleet.connection.prefix}{AssessmentCompleted.topic}"


def test_topics_workers_and_audits_go_through_a_login_over_tls(platform: Pairmark, fleet: Fleet):
    made = platform.run("topics", "create", "--partitions", "2", "--verbose")
    assert (made.code, made.out.count(": made")) == (0, 11), told(made)
    assert platform.run("credits", "grant", "--user", "local", "100000", "--operation", "start").code == 0
    fleet.request(2)
    with platform.started("worker", "--verbose") as worker:
        assert until(lambda: fleet.ended() == 2 and not fleet.under_way(), 60, pause=0.1)
        worker.signal(signal.SIGTERM)
        done = worker.end(timeout=12)
    assert done.code == 0, told(done)
    told(done)
    assert fleet.broken_promises() == []
    checked = platform.run("topics", "check", "--json")
    assert {one["fatal"] for one in json.loads(checked.out)} == {False}, told(checked)
    audited = platform.run("audit", address(platform, fleet), "--json")
    assert audited.document()["totals"]["events"] == 2, told(audited)
    looked = platform.run("outbox", "status", "--json")
    assert set(looked.document()["deliveries"].values()) == {0}, told(looked)


def test_a_password_that_the_broker_keeps_itself_is_as_good(platform: Pairmark, secured: Secured):
    platform.environment |= secured.environment("PLAIN")
    done = platform.run("topics", "check")
    assert (done.code, done.out.count("is missing")) == (1, 11), told(done)


REFUSALS = {
    "a wrong password": ({"sasl_password": WRONG}, 2, ["refuses the login", "_SASL_PASSWORD"]),
    "no such user": ({"sasl_username": "nobody"}, 2, ["refuses the login"]),
    "somebody else's authority": ({"ssl_ca_location": ""}, 2, ["PAIRMARK_KAFKA_SSL_CA_LOCATION"]),
    "no authority in that file": ({"ssl_ca_location": "/nowhere/ca.pem"}, 2, ["PAIRMARK_KAFKA_"]),
    "no login": ({"security_protocol": "ssl"}, 75, ["cannot be reached"]),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_whoever_is_not_let_in_hears_why_in_one_sentence(platform: Pairmark, secured: Secured, fleet: Fleet, case: str):
    changed, code, words = REFUSALS[case]
    if case == "somebody else's authority":
        changed = {"ssl_ca_location": str(secured.stranger)}
    platform.environment |= secured.environment(**changed)
    commands = {
        "check": ["topics", "check", "--verbose"],
        "worker": ["worker", "--wait", "0", "--verbose"],
        "audit": ["audit", address(platform, fleet)],
    }
    with ThreadPoolExecutor(3) as together:
        done = dict(zip(commands, together.map(lambda one: platform.run(*one), commands.values()), strict=True))
    for name in ("check", "worker"):
        assert done[name].code == code, told(done[name])
        (sentence,) = [line for line in told(done[name]).splitlines() if line.startswith("pairmark: ")]
        assert [word for word in words if word not in sentence] == [], sentence
    assert done["audit"].code in {2, 75}, told(done["audit"])
    assert len(told(done["audit"]).splitlines()) == 1


def test_a_refusal_for_programs_holds_no_secret(platform: Pairmark, secured: Secured):
    platform.environment |= secured.environment("PLAIN", sasl_password=WRONG)
    done = platform.run("topics", "create", "--json")
    told(done)
    assert (done.code, done.document()["exit_code"]) == (2, 2)
    assert "refuses the login" in done.document()["error"]
