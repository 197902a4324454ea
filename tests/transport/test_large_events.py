"""Events of many megabytes over a real Kafka: through topics that take them, and what happens at one that does not."""

import os
from uuid import uuid4

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from pairmark.bootstrap import System
from pairmark.clock import SystemClock
from pairmark.messaging import depths, outbox, road
from pairmark.messaging.kafka_connection import KafkaConnection
from pairmark.messaging.kafka_out import KafkaTransport
from support.asked import callback
from support.faults import rows
from support.roads import TOPIC, Road, cluster_of, event, send, take, until

UNPUBLISHED = "SELECT count(*) FROM judging.event_outbox WHERE published_at IS NULL"


def test_g4_events_of_up_to_14_megabytes_pass_topics_made_by_the_command(request, database):
    """More than a member fetches at once, and more than any broker takes without being told."""
    road = Road("kafka", database, cluster_of(request, "kafka", 1))
    sizes = [10, 1_500_000, 5_000_000, 14_000_000, 10]
    events = [event(TOPIC, "a", number, os.urandom(size // 2).hex()) for number, size in enumerate(sizes)]
    send(road.transport(), events)
    came = take(road.subscribe(), len(events))
    road.close()
    assert [one.event_id for one in came] == [one.id for one in events]
    assert [one.body for one in came] == [one.body for one in events]


def test_g10_an_event_its_topic_does_not_take_stands_still_alone_and_goes_when_asked_to(database, kafka):
    connection = KafkaConnection(kafka.bootstrap, prefix=f"t{uuid4().hex[:10]}.")
    first, other = uuid4(), uuid4()
    name = connection.prefix + callback(first, 0).event_type
    kafka.create(1, name=name, max_message_bytes="100000")
    road.take_kafka(database, KafkaTransport(connection, SystemClock()), SystemClock())
    system = System(database, kafka=connection)
    with database.transaction("judging") as tx:
        outbox.append(
            tx,
            [callback(first, 0), callback(first, 1, os.urandom(100_000).hex()), callback(first, 2), callback(other, 0)],
        )
    relay = system.relays["judging"]
    until(lambda: rows(database, UNPUBLISHED) == [(2,)], relay.step)
    (stuck,) = depths.parked(database)
    assert (stuck.service, stuck.aggregate_id) == ("judging", str(first))
    assert "does not take an event of this kind" in stuck.reason
    relay.step()
    assert rows(database, UNPUBLISHED) == [(2,)]
    larger = ConfigEntry("max.message.bytes", "5000000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[larger])
    kafka.admin.incremental_alter_configs([resource])[resource].result(30)

    def again():
        relay.requeue(str(first))
        relay.step()

    until(lambda: rows(database, UNPUBLISHED) == [(0,)], again)
    system.close()
