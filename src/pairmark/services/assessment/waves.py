"""Planning waves: which pairs are asked next, inserted together with the new version and the requests to judges (G15).

A wave is planned whole, outside any transaction, and takes effect only if the batch is still what the plan was made for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pairmark.domain import stopping
from pairmark.events.catalogue import JudgingRequested, Question
from pairmark.events.envelope import Outgoing, outgoing
from pairmark.events.identity import comparison_id
from pairmark.messaging import outbox
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.evidence import Standing
from pairmark.services.assessment.intake import SOURCE
from pairmark.storage.connection import Tx, execute

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
WaveEnd = tuple[Floats | None, float | None]

CHUNK = 50
"""Comparisons in one request to `judging`."""

NEW_WAVE = """
UPDATE batch SET wave = wave + 1, sent = sent + %(size)s, version = version + 1, deadline = %(deadline)s,
    status = 'PERFORMING_COMPARISONS', overlap = %(overlap)s,
    due = answered >= sent AND %(overlap)s > 0
WHERE id = %(id)s AND status = %(seen_status)s AND version = %(seen_version)s AND wave = %(seen_wave)s RETURNING wave
"""
"""With an overlap the wave after this one is planned while this one is asked: at once, if nothing else is open."""
WAIT_FOR_ALL = """
UPDATE batch SET overlap = 0, version = version + 1, due = answered >= sent WHERE id = %s AND version = %s RETURNING id
"""
INSERT_WAVE = "INSERT INTO wave (batch_id, wave, size, planned_at) VALUES (%s, %s, %s, %s)"
INSERT_COMPARISONS = """
INSERT INTO comparison (batch_id, ordinal, id, wave, first, second, repeat)
SELECT %s, o, i, %s, f, s, r FROM unnest(%b::int[], %b::uuid[], %b::int[], %b::int[], %b::int[]) AS c (o, i, f, s, r)
"""
CLOSE_WAVE = (
    "UPDATE wave SET reliability = %s, largest_change = %s, prior_sd = %s, theta = %s WHERE batch_id = %s AND wave = %s"
)
OPEN = """
SELECT c.id, e.essay_id, f.essay_id, e.text_storage_id, f.text_storage_id, c.repeat, c.attempt FROM comparison c
JOIN essay e ON e.batch_id = c.batch_id AND e.ordinal = c.first
JOIN essay f ON f.batch_id = c.batch_id AND f.ordinal = c.second
WHERE c.batch_id = %s AND c.wave > 0
  AND NOT EXISTS (SELECT FROM judgement j WHERE j.batch_id = c.batch_id AND j.ordinal = c.ordinal AND j.closing)
ORDER BY c.ordinal
"""


@dataclass(frozen=True)
class Plan:
    """A wave ready to be sent: ordered pairs of essay ordinals and how often each unordered pair was asked before."""

    pairs: Ints
    repeats: Ints


def plan(
    batch: Batch,
    asked: tuple[Ints, Ints],
    blocked: Sequence[tuple[int, int]],
    theta: Floats | None,
    ranked: Ints,
) -> Plan | None:
    """Choose the next wave's pairs among the essays that take part (`theta` is theirs); None when nothing is left to ask."""
    from pairmark.stats.pairing import plan_wave  # noqa: PLC0415 - start-up time
    from pairmark.stats.rules import adaptive, in_both_orders  # noqa: PLC0415

    first, second = asked
    place = np.full(batch.essays, -1)
    place[ranked] = np.arange(len(ranked))
    among = (place[first] >= 0) & (place[second] >= 0)
    closed = place[np.array(blocked, dtype=np.int64).reshape(-1, 2)]
    # People who pay for a number of comparisons per essay expect equal appearances; of models the fewest calls are wanted.
    rule = in_both_orders(adaptive) if batch.both_orders else plan_wave
    wave_size = stopping.wave_size_in_both_orders if batch.both_orders else stopping.wave_size
    if batch.in_jobs:
        wave_size = stopping.wave_size_in_jobs
    pairs = rule(
        len(ranked),
        place[first[among]],
        place[second[among]],
        size=wave_size(len(ranked), batch.tally),
        theta=theta,
        seed=batch.design.seed,
        pair_limit=batch.design.pair_limit,
        blocked=closed[(closed >= 0).all(axis=1)] if blocked else None,
        wave=batch.wave,
    )
    if not len(pairs):
        return None
    pairs = ranked[pairs]
    return Plan(pairs, _repeats(batch.essays, first, second, pairs))


def _repeats(n: int, first: Ints, second: Ints, pairs: Ints) -> Ints:
    """How often each planned pair was asked before, counting within the wave too."""
    keys = np.concatenate(
        [np.minimum(first, second) * n + np.maximum(first, second), pairs.min(axis=1) * n + pairs.max(axis=1)]
    )
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1]
    rank = np.arange(len(keys)) - np.repeat(starts, np.diff(np.r_[starts, len(keys)]))
    repeats = np.empty(len(keys), dtype=np.int64)
    repeats[order] = rank
    return repeats[len(first) :]


def send(tx: Tx, seen: Batch, wave_plan: Plan, texts: Sequence[tuple[str, str]], now: datetime) -> bool:
    """Insert the wave and ask for its verdicts, if the batch still is what was seen. `texts` are (essay id, storage id)."""
    size = len(wave_plan.pairs)
    overlap = stopping.overlap(size, len(texts), seen.tally, seen.rules) if seen.overlaps else 0
    row = execute(tx, NEW_WAVE, {"id": seen.id, "size": size, "seen_status": seen.status, "seen_version": seen.version,
        "seen_wave": seen.wave, "deadline": now + seen.patience, "overlap": overlap})  # fmt: skip
    if not row:
        return False
    wave, start = row[0][0], seen.reused + seen.sent
    execute(tx, INSERT_WAVE, [seen.id, wave, size, now])
    ids = [comparison_id(seen.id, ordinal) for ordinal in range(start, start + size)]
    first, second, repeats = wave_plan.pairs[:, 0].tolist(), wave_plan.pairs[:, 1].tolist(), wave_plan.repeats.tolist()
    execute(tx, INSERT_COMPARISONS, [seen.id, wave, list(range(start, start + size)), ids, first, second, repeats])
    questions = [
        Question(identity, texts[a][0], texts[b][0], texts[a][1], texts[b][1], repeat)
        for identity, a, b, repeat in zip(ids, first, second, repeats, strict=True)
    ]
    outbox.append(tx, requests(seen, wave, 1, questions, now))
    return True


def requests(batch: Batch, wave: int, attempt: int, questions: Sequence[Question], now: datetime) -> list[Outgoing]:
    """Requests for verdicts, in chunks; the fact key names wave, chunk and attempt."""
    return [
        outgoing(
            JudgingRequested(
                event_name=JudgingRequested.topic,
                entity_id=batch.entity_id,
                timestamp=now,
                cj_batch_id=str(batch.id),
                judge=batch.design.judge,
                judge_digest=batch.design.judge_digest,
                wave=wave,
                attempt=attempt,
                questions=list(questions[start : start + CHUNK]),
                spend_limit=batch.design.spend_limit,
            ),
            aggregate_id=str(batch.id),
            source=SOURCE,
            correlation_id=batch.correlation_id,
            fact_key=f"wave {wave}, chunk {start // CHUNK}, attempt {attempt}",
        )
        for start in range(0, len(questions), CHUNK)
    ]


def ask_again(tx: Tx, batch: Batch, now: datetime) -> int:
    """Ask for every open comparison of a locked batch once more, as a new attempt; returns how many there were."""
    rows = execute(tx, OPEN, [batch.id])
    if rows:
        attempt = max(row[6] for row in rows) + 1
        execute(tx, "UPDATE comparison SET attempt = %s WHERE id = ANY(%s)", [attempt, [row[0] for row in rows]])
        outbox.append(tx, requests(batch, batch.wave, attempt, [Question(*row[:6]) for row in rows], now))
    return len(rows)


def wait_for_all(tx: Tx, seen: Batch) -> bool:
    """Plan nothing before the latest wave is answered; False if the batch no longer is what was seen."""
    return bool(execute(tx, WAIT_FOR_ALL, [seen.id, seen.version]))


def close_wave(tx: Tx, batch_id: UUID, wave: int, now_standing: Standing) -> None:
    """Keep how the scale stood when this wave was answered."""
    scale, theta = now_standing.scale, now_standing.theta
    execute(
        tx,
        CLOSE_WAVE,
        [
            scale.reliability,
            scale.largest_change,
            now_standing.prior_sd,
            None if theta is None else theta.tolist(),
            batch_id,
            wave,
        ],
    )


def wave_end(tx: Tx, batch_id: UUID, wave: int) -> WaveEnd:
    """Thetas and prior SD after an earlier wave, or None where there was no scale yet."""
    rows = execute(tx, "SELECT theta, prior_sd FROM wave WHERE batch_id = %s AND wave = %s", [batch_id, wave])
    return (np.array(rows[0][0]), rows[0][1]) if rows and rows[0][0] is not None else (None, None)
