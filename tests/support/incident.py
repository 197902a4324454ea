"""The incident as rows: 119 completion events of 25 batches, from the published facts; run as a program, it writes the example.

Published are the number of events of each batch, the first seven times and the last of the worst batch, and the first and last of
the second. All other times are drawn, within what was published (no gap under 54 ms), and marked `invented`.
"""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import NAMESPACE_OID, uuid5

PATH = Path(__file__).resolve().parents[2] / "examples" / "incident" / "event_outbox.csv"
TYPE = "huleedu.cj_assessment.completed.v1"
WORST = "2f8dc826-d6c6-4d5b-b9d2-1ed94fb47a50"
SECOND = "test-batch-123"
BEGIN = datetime(2025, 11, 15, 18, 59, 43, 7_038, UTC)
END = datetime(2025, 11, 15, 18, 59, 49, 1_835, UTC)
FIRST_OFFSETS_MS = (0, 106, 275, 357, 417, 481, 558)
HEADINGS = ("id", "aggregate_id", "event_type", "event_data", "created_at", "published_at", "correlation_id", "time_is")


def rows() -> list[dict[str, str]]:
    """All 119 rows, in the order of their times."""
    draw = Random(83)
    made = [*_worst(draw), *_second(draw), *_singles(draw)]
    return sorted(made, key=lambda row: row["created_at"])


def _worst(draw: Random) -> list[dict[str, str]]:
    known = [BEGIN + timedelta(milliseconds=offset) for offset in FIRST_OFFSETS_MS]
    left, number = (END - known[-1]) / timedelta(microseconds=1), 83 - len(known)
    shares = [draw.expovariate(1.0) for _ in range(number)]
    spare = left - 54_000 * number
    moment, moments = known[-1], []
    for share in shares[:-1]:
        moment += timedelta(microseconds=round(54_000 + spare * share / sum(shares)))
        moments.append(moment)
    marked = [(one, "published") for one in known] + [(one, "invented") for one in moments] + [(END, "published")]
    return [_row(WORST, moment, number, origin) for number, (moment, origin) in enumerate(marked)]


def _second(draw: Random) -> list[dict[str, str]]:
    first, last = datetime(2025, 11, 15, 12, 1, 16, tzinfo=UTC), datetime(2025, 11, 21, 11, 49, 52, tzinfo=UTC)
    inner = sorted(first + (last - first) * draw.random() for _ in range(11))
    marked = [(first, "published"), *((one.replace(microsecond=0), "invented") for one in inner), (last, "published")]
    return [_row(SECOND, moment, number, origin) for number, (moment, origin) in enumerate(marked)]


def _singles(draw: Random) -> list[dict[str, str]]:
    begin = datetime(2025, 11, 13, 8, tzinfo=UTC)
    return [
        _row(
            str(uuid5(NAMESPACE_OID, f"single {number}")),
            begin + timedelta(seconds=draw.randrange(700_000)),
            0,
            "invented",
        )
        for number in range(23)
    ]


def _row(batch: str, moment: datetime, number: int, origin: str) -> dict[str, str]:
    identity = str(uuid5(NAMESPACE_OID, f"{batch} {number}"))
    data = {"event_id": identity, "event_type": TYPE, "data": {"entity_id": batch, "status": "COMPLETE_STABLE"}}
    written = moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    return dict(zip(HEADINGS, (
        identity, batch, TYPE, json.dumps(data), written, written, str(uuid5(NAMESPACE_OID, f"correlation {batch}")), origin,
    ), strict=True))  # fmt: skip


if __name__ == "__main__":
    with PATH.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADINGS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())
