"""How many comparisons of the next wave each item is worth, by how far its rank is in doubt.

Works on the errors of single items, so a wave of 10,000 items takes a fraction of a second. Equal appearances are in
`wave_quotas`; who meets whom is decided in `wave_draft`.
"""

import numpy as np

from pairmark.stats import wave_quotas
from pairmark.stats.arrays import Floats, Ints, summed
from pairmark.stats.wave_history import History

FAR = 100.0  # logits; beyond, pairs tell equally little
SPREAD = 0.5  # share of the mean by which appearances of an item may lie below or above it
ALWAYS = 2  # appearances they may do so in any case
GROUPS = 64  # neighbours on the scale that are counted as one when rivals are counted
SCORES_TOO = 0.5  # what errors of scores weigh beside those of ranks; what it brings: docs/decisions
TIES = 1e-6  # places; fractions this close are rounded by a draw
TRUSTED = 0.5  # reliability from which on a wave goes by scores altogether; why: docs/decisions
CLOSE = 0.2  # information of a comparison of close scores, ties and doubt about the gap considered; at most 1/4


def appearances(history: History, theta: Floats, size: int, rng: np.random.Generator, *, loose: bool = False) -> Ints:
    """Appearances of each item in a wave of `size` pairs, shape (n_items,), sum 2 * size; `loose`: rounded at random.

    Notes
    -----
    With independent errors of variance s, the rank of an item errs by d * error, where d is the density of rivals: the sum
    over the others of N(gap; 0, s + s'). k comparisons with information q each leave d**2 / (1 / s + k q) of its squared
    error, so the sum over all items is least where precision 1 / s + k q is proportional to d: A-optimality (Chaloner &
    Verdinelli 1995, Statistical Science 10) for ranks. Scores in the thick of the scale get more, those at its ends less.
    Scores themselves count, too, or those at the ends would become too rough: d**2 gets `SCORES_TOO` of its squared mean on top.
    """
    least, most = _bounds(history.counts, size)
    if least.sum() >= 2 * size:  # no choice: those furthest behind come first
        return wave_quotas.appearances(history.counts, history.labels, size, rng)
    variance = errors(history, theta)
    density = rivals(theta, variance)
    weight = np.sqrt(density**2 + SCORES_TOO * density.mean() ** 2)
    wanted = _shared_out(weight, 1 / variance, least, most, 2 * size)
    given = _rounded(wanted, most, 2 * size, rng.random(len(wanted)) * (1 if loose else TIES))
    _seat_all(given, wanted, history.lead, least, most)
    return given


def blind_share(history: History, theta: Floats) -> float:
    """Share of a wave that had better not go by these scores: 1 - reliability / `TRUSTED`, at least 0.

    Scores that are mostly noise would string items into chains, and coin tosses would look reliable.
    """
    observed, error = float(np.var(theta, ddof=1)), float(errors(history, theta).mean())
    return max(1 - observed / (observed + error) / TRUSTED, 0.0)


def reach(counts: Ints) -> float:
    """How far the appearances of an item may lie from the mean of these."""
    return max(SPREAD * float(counts.mean()), ALWAYS)


def _bounds(counts: Ints, size: int) -> tuple[Ints, Ints]:
    """Fewest and most appearances of each item in the wave that keep totals within reach of their mean."""
    mean = float(counts.mean()) + 2 * size / len(counts)
    away = max(SPREAD * mean, ALWAYS)
    least = np.maximum(np.ceil(mean - away) - counts, 0).astype(np.int64)
    most = np.maximum(np.floor(mean + away) - counts, least).astype(np.int64)
    return least, most


def errors(history: History, theta: Floats) -> Floats:
    """Posterior variance of each item by its own comparisons alone, shape (n_items,).

    The prior variance is the one that scores and information agree on: the fixed point
    variance = mean(theta**2) + mean posterior variance (the EM step of Dempster, Laird & Rubin 1977).
    """
    n = history.n_items
    one, other = history.pairs // n, history.pairs % n
    information = history.met * 0.25 / np.cosh(np.minimum(np.abs(theta[one] - theta[other]), FAR) / 2) ** 2
    own = summed(one, information, n) + summed(other, information, n)
    observed = float(np.sum((theta - theta.mean()) ** 2)) / (n - 1)
    low, high = 1e-4, 100.0  # variances in squared logits
    for _ in range(40):
        middle = (low * high) ** 0.5
        agreed = observed + float(np.mean(1 / (own + 1 / middle)))
        low, high = (middle, high) if agreed > middle else (low, middle)
    return np.asarray(1 / (own + 1 / low))


def rivals(theta: Floats, variance: Floats) -> Floats:
    """Density of the other items at each item's place on the scale, doubt about both included; shape (n_items,)."""
    order = np.argsort(theta, kind="stable")
    parts = np.array_split(order, min(GROUPS, len(theta)))
    members = np.array([len(part) for part in parts], dtype=np.float64)
    starts = np.concatenate([[0], np.cumsum(members)[:-1]]).astype(np.int64)
    place = np.add.reduceat(theta[order], starts) / members
    doubt = np.add.reduceat(variance[order], starts) / members
    both = variance[:, None] + doubt[None, :]
    gap = theta[:, None] - place[None, :]
    density = (np.exp(-(gap**2) / (2 * both)) / np.sqrt(both)) @ members - 1 / np.sqrt(2 * variance)
    return np.asarray(np.maximum(density, 1e-9))


def _shared_out(weight: Floats, precision: Floats, least: Ints, most: Ints, places: int) -> Floats:
    """Places per item, not yet whole, that make precision a multiple of the weights, `places` in all."""
    low, high = 0.0, float((precision + CLOSE * (most + 1)).max() / weight.min())
    for _ in range(60):
        level = (low + high) / 2
        wanted = np.clip((level * weight - precision) / CLOSE, least, most)
        low, high = (level, high) if wanted.sum() < places else (low, level)
    return np.asarray(wanted)


def _rounded(wanted: Floats, most: Ints, places: int, luck: Floats) -> Ints:
    """Whole places, the largest fractions, with luck added, rounded up."""
    given = np.floor(wanted).astype(np.int64)
    order = np.argsort(given - wanted - luck + 4.0 * (given >= most), kind="stable")
    given[order[: places - int(given.sum())]] += 1
    return given


def _seat_all(given: Ints, wanted: Floats, lead: Ints, least: Ints, most: Ints) -> None:
    """Move single places to other items until as many first seats as second ones are called for, if that can be had.

    An item that led by one before and takes an odd number of places needs the second seat once more than the first. Where
    too many do, one of them goes without that place, and an item that does not lead gets it.
    """
    while True:
        first, second, either = wave_quotas.seats(given, lead)
        excess = int((first - second).sum())
        if abs(excess) <= int(either.sum()):
            return
        side = 1 if excess > 0 else -1
        giver = np.flatnonzero((side * (first - second) > 0) & (given > least))
        taker = np.flatnonzero((side * lead >= 0) & (side * (first - second) <= 0) & (given < most))
        if not len(giver) or not len(taker):
            return
        given[giver[np.argmin((wanted - given)[giver])]] -= 1
        given[taker[np.argmax((wanted - given)[taker])]] += 1
