"""A real Apache Kafka for tests: one broker in KRaft mode with a folder and ports of its own, and the fixtures for it and the mock.

Its parts come from Maven Central once and stay in `.cache/`, outside git. Needs Java 17 and Maven; where these are missing
a test that wants it is skipped, which counts as a failure on CI. The mock cluster is in `kafka_mock`.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from support.kafka_secured import Secured
from support.memory import places

if TYPE_CHECKING:
    from support.kafka_mock import MockKafka

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("kafka_parts") / "pom.xml"
CACHE = ROOT / ".cache"
START = 90.0  # seconds; 5 to 10 are usual
JAVA = ["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]  # fmt: skip
CLUSTER = "UGFpcm1hcmtUZXN0cy0xMQ"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,ELSEWHERE:PLAINTEXT,SECURED:SASL_SSL",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.segment.bytes": "16777216",
    "log.retention.ms": "-1",  # tests send messages of years ago
}


def parts() -> Path:
    """The folder with Kafka's jars and a formatted, empty log to copy, made once; skips where it cannot be had."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing, which a real Kafka needs")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"kafka-{digest}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "kafka.lock").open("w") as lock:  # several test processes take turns
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="kafka-coming-") as coming:
                _fetch(Path(coming))
                _format(Path(coming))
                Path(coming).rename(folder)
                Path(coming).mkdir()  # for its removal
    return folder


def _fetch(folder: Path) -> None:
    wanted = ["-DincludeScope=runtime", f"-DoutputDirectory={folder / 'lib'}"]
    command = ["mvn", "-q", "-B", "-C", "-f", str(POM), "dependency:copy-dependencies", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[:300]}")


def _format(folder: Path) -> None:
    properties = folder / "format.properties"
    ports = {
        "controller.quorum.voters": "1@127.0.0.1:1",
        "listeners": "PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1",
    }
    _write(properties, SETTINGS | ports | {"log.dirs": str(folder / "formatted")})
    tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(properties)]
    subprocess.run([*JAVA, "-cp", f"{folder}/lib/*", *tool], check=True, capture_output=True, timeout=120)


def _write(path: Path, settings: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


class Kafka:
    """One broker. `bootstrap`: its host and port, the same after a restart. `settings` go over those above.

    `elsewhere`: another of its ports, at which it names itself as a host that nobody knows to be this machine. `secured`: one
    that wants a login over TLS, where certificates can be made.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._parts, self._folder = parts(), folder
        port, control, other, locked = _free_ports(4)
        self.secured = Secured.made(folder, locked)
        self.bootstrap, self.elsewhere = f"127.0.0.1:{port}", f"127.0.0.1:{other}"
        shutil.copytree(self._parts / "formatted", folder / "log")
        login = f",SECURED://{self.secured.bootstrap}" if self.secured else ""
        open_to_all = f"PLAINTEXT://127.0.0.1:{port},ELSEWHERE://127.0.0.1:{other}"
        address = {
            "listeners": f"{open_to_all},CONTROLLER://127.0.0.1:{control}{login}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},ELSEWHERE://127.1:{other}{login}",
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "log.dirs": str(folder / "log"),
        } | (self.secured.settings if self.secured else {})
        _write(folder / "server.properties", SETTINGS | address | dict(settings or {}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also again after `stop` or `kill`, and wait until it answers."""
        assert self._process is None, "it runs already"
        command = [*JAVA, "-cp", f"{self._parts}/lib/*", "kafka.Kafka", str(self._folder / "server.properties")]
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self._folder
            )
        deadline = time.monotonic() + START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = (self._folder / "broker.log").read_text(errors="replace")[-2_000:]
                raise RuntimeError(f"Kafka did not start: {said}")

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException  # noqa: PLC0415 - only where Kafka is used

        try:
            return bool(self.admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    @cached_property
    def admin(self) -> Any:
        """A client for topics, groups and settings."""
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415

        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create(self, partitions: int = 1, name: str | None = None, **config: str) -> str:
        """A topic of a new name, or of this one; settings are written with _ for the dot."""
        from confluent_kafka.admin import NewTopic  # noqa: PLC0415

        topic = name or f"topic-{uuid4().hex[:12]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        made = self.admin.create_topics([NewTopic(topic, partitions, 1, config=settings)], operation_timeout=20)
        made[topic].result(30)
        return topic

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A broker that stays up for all tests of this process; a test makes its own topics and leaves the broker running."""
    with tempfile.TemporaryDirectory(prefix="pm-kafka-", dir=places()[0], ignore_cleanup_errors=True) as folder:
        broker = Kafka(Path(folder))
        try:
            broker.start()
            if broker.secured is not None:
                broker.secured.enrol(broker.admin)
            yield broker
        finally:
            broker.kill()


@pytest.fixture
def secured(kafka: Kafka) -> Secured:
    """The listener of the broker that all tests share."""
    if kafka.secured is None:
        pytest.skip("openssl is missing, which makes the certificates of a secured listener")
    return kafka.secured


@pytest.fixture
def kafka_of_its_own(tmp_path: Path) -> Iterator[Kafka]:
    """A broker for one test, started, that may be stopped, killed and started again."""
    broker = Kafka(tmp_path)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def mock_kafka() -> Iterator[MockKafka]:
    """The mock cluster, with one broker, for one test."""
    from support.kafka_mock import MockKafka  # noqa: PLC0415

    cluster = MockKafka()
    yield cluster
    cluster.close()
