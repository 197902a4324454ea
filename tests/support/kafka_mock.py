"""A Kafka cluster inside this process: the mock that librdkafka brings along, over real TCP, with errors on demand.

It keeps 5 MB or 100,000 records a partition, knows no transactions, and creates a topic for whoever asks for it.
"""

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka

TOPIC_DENIED = 29
ABSENT = 3
PRODUCE, FETCH, METADATA = 0, 1, 3
COMMIT, FIND_COORDINATOR, JOIN = 8, 10, 11


def _library() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    found = [
        *package.parent.glob("confluent_kafka.libs/librdkafka*"),
        *package.glob(".dylibs/librdkafka*"),
    ]
    library = ctypes.CDLL(str(found[0]))
    for name in ("conf_new", "new", "mock_cluster_new", "mock_get_requests"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class MockKafka:
    """The cluster. `bootstrap`: host and port of its brokers."""

    def __init__(self, brokers: int = 1) -> None:
        self._library = _library()
        said = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self._call("conf_new"))
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", said, 512)
        self._owner = ctypes.c_void_p(self._library.rd_kafka_new(0, conf, said, 512))
        self._cluster = ctypes.c_void_p(self._call("mock_cluster_new", self._owner, brokers))
        self._call("mock_group_initial_rebalance_delay_ms", self._cluster, 0)
        self.bootstrap = str(self._call("mock_cluster_bootstraps", self._cluster).decode())

    def _call(self, name: str, *words: Any) -> Any:
        return getattr(self._library, f"rd_kafka_{name}")(*words)

    def create(self, topic: str, partitions: int = 1) -> None:
        """A topic."""
        assert self._call("mock_topic_create", self._cluster, topic.encode(), partitions, 1) == 0

    def fail_topic(self, topic: str, code: int) -> None:
        """Answer everything about a topic with this error; 0 ends that."""
        self._call("mock_topic_set_error", self._cluster, topic.encode(), code)

    def fail_next(self, request: int, *codes: int) -> None:
        """Answer the next requests of this kind with these errors."""
        listed = (ctypes.c_int * len(codes))(*codes)
        self._call("mock_push_request_errors_array", self._cluster, request, len(codes), listed)

    def go_down(self, broker: int = 1) -> None:
        """Refuse connections, and cut those there are."""
        self._call("mock_broker_set_down", self._cluster, broker)

    def answer_after(self, milliseconds: int, broker: int = 1) -> None:
        """Take so long for every answer from now on."""
        self._call("mock_broker_set_rtt", self._cluster, broker, milliseconds)

    def come_up(self, broker: int = 1) -> None:
        """The end of that."""
        self._call("mock_broker_set_up", self._cluster, broker)

    @contextmanager
    def watched(self) -> Iterator[list[int]]:
        """The kinds of requests that arrive within, known after it."""
        kinds: list[int] = []
        self._call("mock_start_request_tracking", self._cluster)
        yield kinds
        number = ctypes.c_size_t()
        listed = self._call("mock_get_requests", self._cluster, ctypes.byref(number))
        requests = (ctypes.c_void_p * number.value).from_address(listed)
        kinds += [self._call("mock_request_api_key", ctypes.c_void_p(one)) for one in requests]
        self._call("mock_request_destroy_array", ctypes.c_void_p(listed), number)
        self._call("mock_stop_request_tracking", self._cluster)

    def close(self) -> None:
        """End it."""
        self._call("mock_cluster_destroy", self._cluster)
        self._call("destroy", self._owner)


def produce_with_raw_header(bootstrap: str, topic: str, value: bytes, name: bytes) -> None:
    """Send a message with a header whose name may be any bytes, which the Python client refuses to send."""
    library, said = _library(), ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap.encode(), said, 512)
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, said, 512))
    to_topic, with_value, with_header, end = 1, 4, 9, 0  # kinds of argument, as rdkafka.h numbers them
    sized = ctypes.c_size_t(len(value))
    header = (with_header, name, b"v", ctypes.c_ssize_t(1))
    assert library.rd_kafka_producev(producer, to_topic, topic.encode(), with_value, value, sized, *header, end) == 0
    assert library.rd_kafka_flush(producer, 10_000) == 0
    library.rd_kafka_destroy(producer)


Message = Mapping[str, Any]


def produce(bootstrap: str, topic: str, messages: Sequence[Message], **settings: Any) -> None:
    """Send messages: any of value, key, headers, timestamp (ms), partition; returns when all were taken."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "log_level": 0, "queue.buffering.max.messages": 1_000_000, **settings}
    )
    failed: list[Any] = []
    for number, message in enumerate(messages):
        producer.produce(topic, on_delivery=lambda error, _: error and failed.append(error), **message)
        if number % 1_000 == 999:
            producer.poll(0)
    assert producer.flush(60) == 0
    assert failed == []
