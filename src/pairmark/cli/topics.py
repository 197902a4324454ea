"""`pairmark topics`: making the topics that Pairmark uses, and checking those there are."""

import argparse
from typing import Any

from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest

WRONG = 1


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Declare the command and its actions."""
    parser = commands.add_parser("topics", help="make and check the topics of Kafka")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    making = actions.add_parser(
        "create",
        parents=[shared],
        help="make those that are missing",
        description="Make the topics that are missing: 12 partitions each, never compacted, ends of batches kept for 30 days and "
        "everything else for 7. With `--replication` 3 or more, an event counts as sent when two copies have it. "
        "Topics that are there stay as they are.",
    )
    making.add_argument("--partitions", type=int, metavar="N", default=12, help="of each topic (default %(default)s)")
    making.add_argument(
        "--replication", type=int, metavar="N", default=-1, help="copies of each (default: the cluster's own)"
    )
    making.set_defaults(run=create)
    checking = actions.add_parser(
        "check",
        parents=[shared],
        help="tell what is missing or set up otherwise",
        description="Compare the topics with what they should be. The exit code is 1 when events cannot pass or are lost.",
    )
    checking.set_defaults(run=check)
    for action in (making, checking):
        action.add_argument("--kafka", metavar="HOST:PORT", help="brokers (or set PAIRMARK_KAFKA)")


def create(arguments: argparse.Namespace) -> int:
    """Make what is missing."""
    from pairmark.messaging import topics  # noqa: PLC0415 - start-up time

    if arguments.partitions < 1 or arguments.replication == 0 or arguments.replication < -1:
        raise BadRequest("Topics need at least one partition and one copy.")
    made = topics.create(_connection(arguments), arguments.partitions, arguments.replication)
    if arguments.json:
        put_json(made)
    else:
        for name, new in made.items():
            say(f"{name}: {'made' if new else 'was there'}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Tell what is otherwise."""
    from pairmark.messaging import topics  # noqa: PLC0415 - start-up time

    found = topics.check(_connection(arguments))
    if arguments.json:
        put_json([vars(one) for one in found])
    else:
        for one in found:
            say(f"{one.topic} {one.problem}.")
        if not found:
            say("All topics are as they should be.")
    return WRONG if any(one.fatal for one in found) else 0


def _connection(arguments: argparse.Namespace) -> Any:
    from pairmark.config import load  # noqa: PLC0415
    from pairmark.opening import kafka_of  # noqa: PLC0415 - start-up time

    connection = kafka_of(load(database=arguments.database, kafka=arguments.kafka))
    if connection is None:
        raise BadRequest("No Kafka is named.", remedy="Give --kafka HOST:PORT or set PAIRMARK_KAFKA.")
    return connection
