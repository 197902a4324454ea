"""The incident as a topic of Kafka and as lines of a log, as programs write them; run as a program, it writes the example."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from support.incident import PATH, rows

LOG = PATH.with_name("app.log")


def as_messages(partitions: int = 1) -> list[dict[str, Any]]:
    """The 119 rows as messages; those of one aggregate in one partition."""
    aggregates = {row["aggregate_id"]: None for row in rows()}
    place = {aggregate: number % partitions for number, aggregate in enumerate(aggregates)}
    return [
        {
            "value": row["event_data"].encode(),
            "key": row["aggregate_id"],
            "headers": {"ce_id": row["id"], "ce_type": row["event_type"], "ce_time": row["created_at"] + "Z",
                        "correlation_id": row["correlation_id"]},
            "partition": place[row["aggregate_id"]],
        }
        for row in rows()
    ]  # fmt: skip


def as_log_lines() -> list[str]:
    """The 119 rows as structlog writes them, with noise between."""
    lines = []
    for number, row in enumerate(rows()):
        lines.append(
            json.dumps({"event": "polled", "level": "debug", "timestamp": row["created_at"] + "Z", "number": number})
        )
        lines.append(json.dumps({
            "event": "event published", "level": "info", "timestamp": row["created_at"] + "Z", "event_id": row["id"],
            "event_type": row["event_type"], "extra": {"batch_id": row["aggregate_id"]}, "event_data": row["event_data"],
            "correlation_id": row["correlation_id"], "published_at": row["published_at"],
        }))  # fmt: skip
    return lines


def ns_of(line: str) -> int:
    """The time a line was written, as Loki takes it in."""
    moment = datetime.fromisoformat(json.loads(line)["timestamp"])
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


if __name__ == "__main__":
    LOG.write_text("\n".join(["starting up", *as_log_lines()]) + "\n", encoding="utf-8")
