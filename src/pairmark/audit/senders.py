"""Where a probe sends to: an HTTP endpoint or a topic of Kafka, on this machine or on a host that is allowed by name."""

import json
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pairmark.audit.sources.address import needing
from pairmark.config import kafka_settings
from pairmark.errors import BadRequest, Busy

Send = Callable[[str, str], bool]
"""Sends a fact with an event id; returns whether it was accepted."""
TIMEOUT, LOOK = 30.0, 0.1
FORM = "Give http://127.0.0.1:8080/events or kafka://127.0.0.1:9092/topic."


def sender(target: str, allow: Sequence[str], template: str) -> tuple[str, Send]:
    """The target as it may be printed, and the function that sends; `{{fact}}` and `{{id}}` of `template` are replaced."""
    if target.startswith("kafka://"):
        return _topic(target, allow, template)
    try:
        parts = urlsplit(target)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:  # half an IPv6 address, a port that is no number
        scheme, host, port = "", None, None
    if scheme not in ("http", "https") or not host:
        raise BadRequest(f"{target.rpartition('@')[2]} is no endpoint and no topic.", remedy=FORM)
    _check_here([host], allow)
    return _endpoint(scheme, host, port, (parts.path, parts.query), template)


def _endpoint(scheme: str, host: str, port: int | None, at: tuple[str, str], template: str) -> tuple[str, Send]:
    """Posts; redirects are not followed, so that nothing leaves the host that was named."""
    kind = HTTPSConnection if scheme == "https" else HTTPConnection
    path = (at[0] or "/") + (f"?{at[1]}" if at[1] else "")
    shown = f"{scheme}://{host}{f':{port}' if port else ''}{at[0]}"

    def send(fact: str, identity: str) -> bool:
        connection = kind(host, port, timeout=TIMEOUT)
        try:
            connection.request("POST", path, _filled(template, fact, identity), {"Content-Type": "application/json"})
            return connection.getresponse().status < 400
        except (OSError, HTTPException) as error:
            raise Busy(f"{shown} cannot be reached: {error}", remedy="Is the consumer up?") from error
        finally:
            connection.close()

    return shown, send


def _topic(target: str, allow: Sequence[str], template: str) -> tuple[str, Send]:
    """Produces with the fact as key, as a producer does that wants its order; accepted is what the brokers acknowledged."""
    with needing("Kafka", "kafka"):
        from confluent_kafka import KafkaException, Producer  # noqa: PLC0415 - an extra

        from pairmark.audit.sources.kafka import Address  # noqa: PLC0415
    address = Address.of(target)
    brokers, topic, shown = address.brokers, address.topics[0], str(address)
    if len(address.topics) > 1 or address.begin or address.end:
        raise BadRequest(f"{shown} is more or less than one topic.", remedy=FORM)
    _check_here((_host(one) for one in brokers.split(",")), allow)
    settings = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(1000 * TIMEOUT), "log_level": 0}
    producer = Producer({**kafka_settings(), **settings, "bootstrap.servers": brokers})
    try:
        known = producer.list_topics(timeout=TIMEOUT)
    except KafkaException as error:
        raise Busy(f"{shown} cannot be reached: {error.args[0].str()}", remedy="Are the brokers up?") from error
    if topic not in known.topics:
        raise BadRequest(f"{shown} is not there.", remedy="Name a topic that the consumer reads.")
    _check_here((broker.host for broker in known.brokers.values()), allow)  # what the brokers call themselves
    kind = _event_type(template)

    def send(fact: str, identity: str) -> bool:
        failed: list[Any] = []  # the error of the delivery, or None
        headers: dict[str, str | bytes | None] = {"event_id": identity, **kind}
        try:
            producer.produce(topic, _filled(template, fact, identity).encode(), fact.encode(), headers=headers,
                             on_delivery=lambda error, _: failed.append(error))  # fmt: skip
        except KafkaException as error:  # what the client knows already
            failed.append(error.args[0])
        for _ in range(int(TIMEOUT / LOOK) + 50):  # another thread may have been told of this message's delivery
            if failed or (producer.poll(LOOK) and failed):
                break
        else:
            raise Busy(f"{shown} does not answer.", remedy="Are the brokers up?")
        if failed[0] is not None:
            raise Busy(f"{shown} did not take the message: {failed[0].str()}", remedy="May this user write there?")
        return True

    return shown, send


def _event_type(template: str) -> dict[str, str]:
    """The header that names the type of the event, if the message says it."""
    message = json.loads(template)
    found = message.get("event_type") if isinstance(message, dict) else None
    return {"event_type": found} if isinstance(found, str) else {}


def _filled(template: str, fact: str, identity: str) -> str:
    return template.replace("{{fact}}", fact).replace("{{id}}", identity)


def _host(broker: str) -> str:
    return broker.rpartition(":")[0].strip("[]") or broker


def _check_here(hosts: Iterable[str], allow: Sequence[str]) -> None:
    """Refuse a host that is not this machine and was not allowed."""
    for host in hosts:
        if not _is_here(host) and host not in allow:
            raise BadRequest(
                f"{host} is not this machine, and a probe sends facts.", remedy=f"Give --allow {host} if that is meant."
            )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
