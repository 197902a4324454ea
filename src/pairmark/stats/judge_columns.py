"""Who judged each comparison and how long it took: checked columns beside the outcomes.

The comparisons themselves are checked in `comparisons`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.errors import BadComparisonsError


def by_judge(judges: Sequence[str] | None, n_rows: int) -> tuple[tuple[str, ...], Ints | None]:
    """Ids of all judges, sorted, and the index of each row's judge; nothing without `judges`."""
    if judges is None:
        return (), None
    if len(judges) != n_rows:
        raise BadComparisonsError(f"There are {n_rows} comparisons but {len(judges)} judges.")
    wrong = next((row for row, judge in enumerate(judges) if not isinstance(judge, str)), None)
    if wrong is not None:
        raise BadComparisonsError(f"Row {wrong + 1}: the judge {judges[wrong]!r} is not a text id.")
    ids = tuple(sorted(set(judges)))
    place = {judge: index for index, judge in enumerate(ids)}
    index = np.array([place[judge] for judge in judges], dtype=np.int64)
    index.flags.writeable = False
    return ids, index


def judge_weight(ids: tuple[str, ...], judge: Ints | None, weights: Mapping[str, float] | None) -> Floats | float:
    """The weight of each row's judge, shape (n_rows,); 1 without weights."""
    if not weights:
        return 1.0
    unknown = sorted(set(weights) - set(ids))
    if judge is None or unknown:
        who = unknown[0] if unknown else min(weights)
        raise BadComparisonsError(f"There is a weight for the judge {who!r}, who judged nothing here.")
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise BadComparisonsError(f"The weight {weight} of the judge {name!r} is not a finite number from 0 up.")
    return np.array([weights.get(name, 1.0) for name in ids], dtype=np.float64)[judge]


def time_taken(seconds: Iterable[float | None] | None, n_rows: int) -> Floats | None:
    """Seconds of each row, NaN where None was given, shape (n_rows,)."""
    if seconds is None:
        return None
    told = list(seconds)
    if len(told) != n_rows:
        raise BadComparisonsError(f"There are {n_rows} comparisons but {len(told)} times.")
    for row, value in enumerate(told):
        if value is not None and not (isinstance(value, int | float | np.number) and 0 <= value < float("inf")):
            raise BadComparisonsError(f"Row {row + 1}: the time {value!r} is not a finite number of seconds from 0 up.")
    taken = np.array([np.nan if value is None else value for value in told], dtype=np.float64)
    taken.flags.writeable = False
    return taken
