"""What a batch knows so far, as arrays: the comparisons asked, the verdicts counted, and the scale fitted to them.

Reads under no lock: callers take decisions on it by compare-and-set only. Inputs are in canonical order, so that the same
judgements give the same scores to the last bit (G14).
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pairmark.domain.stopping import Scale
from pairmark.storage.connection import Tx, execute, values

if TYPE_CHECKING:
    from pairmark.stats.bradley_terry import Fit

LATEST = 2**31 - 1
OUTCOMES = {"first": 1.0, "tie": 0.5, "second": 0.0}
ASKED = "SELECT first, second FROM comparison WHERE batch_id = %s ORDER BY ordinal"
COUNTED = """
SELECT c.first, c.second, j.winner, j.swapped, c.ordinal, j.judge, j.instructions_found IS NOT NULL
FROM judgement j JOIN comparison c USING (batch_id, ordinal)
WHERE j.batch_id = %s AND j.closing AND j.kind = 'verdict' AND c.wave <= %s ORDER BY c.ordinal
"""
RANKED = "SELECT ordinal, essay_id FROM essay WHERE batch_id = %s AND held IS NULL ORDER BY ordinal"
UNAVAILABLE = """
SELECT DISTINCT least(c.first, c.second), greatest(c.first, c.second) FROM judgement j JOIN comparison c USING (batch_id, ordinal)
WHERE j.batch_id = %s AND j.kind = 'unavailable' AND c.wave <= %s
"""


@dataclass(frozen=True)
class Evidence:
    """Counted verdicts of one batch between essays that are not held: `outcome` 1 when the first essay won, .5 a tie, 0 otherwise.

    `ordinals` are the essays' places in the batch; `first` and `second` count among these essays only. `judges` names who gave
    each verdict, where language models are among them: the fit then knows how each is swayed by the order.
    """

    essay_ids: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcome: NDArray[np.float64]
    ordinals: NDArray[np.int64]
    judges: list[str] | None = None

    @property
    def connected(self) -> bool:
        """Whether every essay can be reached from every other over comparisons."""
        parent = list(range(len(self.essay_ids)))

        def root(item: int) -> int:
            while parent[item] != item:
                parent[item] = parent[parent[item]]
                item = parent[item]
            return item

        for a, b in zip(self.first.tolist(), self.second.tolist(), strict=True):
            parent[root(a)] = root(b)
        return len({root(item) for item in range(len(parent))}) == 1

    @property
    def digest(self) -> str:
        """SHA-256 of the verdicts in canonical order, with the essays they speak of."""
        sha = sha256("\x1f".join(self.essay_ids).encode())
        for column in (self.first, self.second, self.outcome):
            sha.update(column.tobytes())
        sha.update("\x1f".join(self.judges or ()).encode())
        return sha.hexdigest()

    @cached_property
    def fitted(self) -> "Fit":
        """The fit that depends on these verdicts alone: from a cold start, made once."""
        return self.fit()

    def provisional(self) -> NDArray[np.float64] | None:
        """Scores to plan by while essays are not connected; None before the first verdict."""
        from pairmark.stats.bradley_terry import provisional  # noqa: PLC0415 - start-up time
        from pairmark.stats.comparisons import comparisons  # noqa: PLC0415
        from pairmark.stats.threads import one_blas_thread  # noqa: PLC0415

        if not len(self.first):
            return None
        with one_blas_thread():
            return provisional(comparisons((self.first, self.second, self.outcome), items=self.essay_ids))

    def fit(self, *, start: NDArray[np.float64] | None = None, start_sd: float | None = None) -> "Fit":
        """Scores with full-covariance errors; raises `StatsError` when the essays are not connected."""
        from pairmark.stats.bradley_terry import fit  # noqa: PLC0415 - start-up time
        from pairmark.stats.comparisons import comparisons  # noqa: PLC0415
        from pairmark.stats.errors import NotConvergedError  # noqa: PLC0415
        from pairmark.stats.threads import one_blas_thread  # noqa: PLC0415

        with one_blas_thread():
            data = comparisons((self.first, self.second, self.outcome), items=self.essay_ids, judges=self.judges)
            order: bool | Literal["judge"] = False if self.judges is None else "judge"
            try:
                return fit(data, start=start, start_sd=start_sd, order_effect=order)
            except NotConvergedError:
                if start is None:
                    raise
                return fit(data, order_effect=order)  # a start saves time only; the scores do not depend on it


def read_evidence(
    tx: Tx, batch_id: UUID, doubted: Collection[int] = (), *, by_judge: bool = False, up_to: int = LATEST
) -> Evidence:
    """Every counted verdict of waves `up_to` this one at this moment. A swapped verdict keeps its winner and turns its order.

    Verdicts of models about `doubted` essays have no weight; such an essay stays only where people have judged it, too.
    """
    essays = execute(tx, RANKED, [batch_id])
    rows = execute(tx, COUNTED, [batch_id, up_to])
    if doubted:
        rows = [row for row in rows if not (row[6] and (row[0] in doubted or row[1] in doubted))]
        left = {ordinal for row in rows for ordinal in row[:2]}
        essays = [row for row in essays if row[0] not in doubted or row[0] in left]
    place = {row[0]: number for number, row in enumerate(essays)}
    rows = [row for row in rows if row[0] in place and row[1] in place]
    first = np.array([place[row[0]] for row in rows], dtype=np.int64)
    second = np.array([place[row[1]] for row in rows], dtype=np.int64)
    outcome = np.array([OUTCOMES[row[2]] for row in rows], dtype=np.float64)
    swapped = np.array([row[3] for row in rows], dtype=bool)
    shown_first, shown_second = np.where(swapped, second, first), np.where(swapped, first, second)
    turned = np.where(swapped, 1.0 - outcome, outcome)
    judges = [row[5] for row in rows] if by_judge else None
    ordinals = np.array(list(place), dtype=np.int64)
    return Evidence([row[1] for row in essays], shown_first, shown_second, turned, ordinals, judges)


def read_ranked(tx: Tx, batch_id: UUID) -> NDArray[np.int64]:
    """Ordinals of the essays that take part: all but those held for review."""
    return np.array(values(execute(tx, RANKED, [batch_id])), dtype=np.int64)


def read_asked(
    tx: Tx, batch_id: UUID, *, up_to: int = LATEST
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[int, int]]]:
    """Pairs sent so far as (first, second) by ordinal, and unordered pairs that no judge can answer, as waves `up_to` tell."""
    rows = execute(tx, ASKED, [batch_id])
    blocked = [(row[0], row[1]) for row in execute(tx, UNAVAILABLE, [batch_id, up_to])]
    first = np.array([row[0] for row in rows], dtype=np.int64)
    second = np.array([row[1] for row in rows], dtype=np.int64)
    return first, second, blocked


@dataclass(frozen=True)
class Standing:
    """The scale after a wave, with what the next fit can start from."""

    scale: Scale
    theta: NDArray[np.float64] | None
    prior_sd: float | None


def standing(
    evidence: Evidence,
    previous: NDArray[np.float64] | None,
    previous_sd: float | None = None,
    *,
    at_the_end: bool = False,
) -> Standing:
    """Fit the scale so far; without a connected graph there is none yet.

    `previous` are the thetas of the wave before and `previous_sd` its prior SD, to start from. `at_the_end` the fit
    starts cold instead, so that it can be the final one if no verdict is added.
    """
    if not len(evidence.first) or not evidence.connected:
        return Standing(Scale(None, None, connected=False), None, None)
    from pairmark.stats.reliability import empirical_bayes  # noqa: PLC0415 - start-up time

    result = evidence.fitted if at_the_end else evidence.fit(start=previous, start_sd=previous_sd)
    change = None if previous is None else float(np.max(np.abs(result.theta - previous)))
    scale = Scale(empirical_bayes(result), change, connected=True)
    return Standing(scale, result.theta, result.prior_sd)
