"""Choose the pairs of the next wave: whole waves at once, since judges work in parallel.

Pure arithmetic on indices: which comparisons were asked, and scores so far if there are any. Budgets, essays and
storing the plan belong to the callers.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats import wave_quotas, wave_worth
from pairmark.stats.arrays import Flags, Floats, Ints, counted
from pairmark.stats.connectivity import weak_labels
from pairmark.stats.errors import StatsError
from pairmark.stats.wave_completion import Exchanges, fill, level_seats, repair
from pairmark.stats.wave_draft import Draft, link, match
from pairmark.stats.wave_history import Blocked, History, history_of

Value = Callable[[Floats, Ints], Floats]
"""What a pair is worth by how far its scores lie apart in logits and how often it was asked; the unit does not matter."""

WINDOW = 24  # neighbours looked at per item, beyond as many as it has met and twice as many as it needs
CHOICE = 2  # new pairs per place that must be there before repeats are put off
SAME_VALUE = 0.05  # share of the highest value; pairs this close are drawn, which keeps the graph from becoming a chain
MATTERS_NOT = 100.0  # logits; beyond, pairs tell equally little
SMALL = 64  # up to this many items and four pairs each (by doubt: so many pairs) the best of several drafts is taken
TRIES = 8


def plan_wave(
    n_items: int,
    first: ArrayLike,
    second: ArrayLike,
    *,
    size: int,
    theta: ArrayLike | None = None,
    seed: int,
    pair_limit: int = 4,
    blocked: Blocked | None = None,
    wave: int = 0,
) -> Ints:
    """Plan up to `size` comparisons at once.

    Parameters
    ----------
    n_items
        Number of items, at least 2.
    first, second
        Ordered pairs asked so far, as item indices, shape (n_asked,) each.
    theta
        Scores so far in logits, shape (n_items,). With them, pairs of close scores are preferred: the value of a pair
        is p (1 - p), its information under Bradley-Terry, divided by 1 + how often it was asked.
    seed, wave
        The same arguments give the same plan; waves of one batch differ by `wave`.
    pair_limit
        How often an unordered pair may be asked in all.
    blocked
        Unordered pairs that must not be asked, as an iterable of pairs or an array of shape (k, 2).

    Returns
    -------
    Array of shape (k, 2) of (first seat, second seat); k < `size` only if no pair is left below the limit.

    Notes
    -----
    In this order: a pair stays below the limit and appears once per wave; a repeat has the other order; components get
    joined; appearances over history and wave differ by at most 1; first and second seats of an item differ by at most
    1; pairs are valuable. The last three give way where nothing else is left to ask.
    """
    history = history_of(n_items, first, second, pair_limit, blocked)
    scores = scores_of(theta, n_items)
    size = min(size, history.room)
    if size <= 0:
        return np.zeros((0, 2), dtype=np.int64)
    return plan_by_value(history, size, scores, seed=seed, wave=wave)


def information(gap: Floats, times: Ints) -> Floats:
    """The value of pairs with scores this far apart, asked so often: p (1 - p) / (1 + times), in steps of `SAME_VALUE`."""
    return np.round(_information(gap) / (1 + times) / SAME_VALUE)


def fresh_information(gap: Floats, times: Ints) -> Floats:
    """The same with the root of 1 + times: a repeat tells nearly as much, and people's votes bear that out."""
    return np.round(_information(gap) / np.sqrt(1 + times) / SAME_VALUE)


def _information(gap: Floats) -> Floats:
    """4 p (1 - p), at most 1."""
    return np.asarray(1 / np.cosh(np.minimum(gap, MATTERS_NOT) / 2) ** 2)


def plan_by_value(
    history: History,
    size: int,
    theta: Floats | None,
    *,
    seed: int,
    wave: int,
    value: Value = information,
    by_doubt: bool = False,
) -> Ints:
    """Plan `size` comparisons, pairs of the highest value first, seats as equal as possible.

    Appearances are as equal as possible, or with `by_doubt` more for items whose rank is in doubt (`wave_worth`), once all items
    hang together.
    """
    n_items = history.n_items
    by_doubt = by_doubt and theta is not None and not np.any(history.labels != history.labels[0])
    drafts: list[tuple[tuple[int, ...], Draft]] = []
    few = size <= 4 * SMALL if by_doubt else n_items <= SMALL and size <= 4 * n_items
    for attempt in range(TRIES if few else 1):
        rng = np.random.default_rng([seed, wave, attempt])
        quota = _quotas(history, size, theta if by_doubt else None, rng, loose=attempt > 0)
        draft = _draft(history, quota, theta, value, size, rng)
        if by_doubt:
            level_seats(draft, _totals(history, draft)[1])
        drafts.append((_faults(history, draft, size, by_doubt), draft))
        if not any(drafts[-1][0]):
            break
    return _planned(min(drafts, key=lambda scored: scored[0])[1])


def _quotas(history: History, size: int, theta: Floats | None, rng: np.random.Generator, *, loose: bool) -> Ints:
    """Appearances of each item in the wave: by doubt with scores (`loose`: rounded at random), else as equal as possible."""
    if theta is None:
        return wave_quotas.appearances(history.counts, history.labels, size, rng)
    return wave_worth.appearances(history, theta, size, rng, loose=loose)


def _planned(draft: Draft) -> Ints:
    return np.array([draft.first, draft.second], dtype=np.int64).T


def _books(history: History, places: tuple[Ints, Ints, Ints]) -> Draft:
    pairs = history.pairs.tolist()
    asked = dict(zip(pairs, history.times.tolist(), strict=True))
    low_lead = dict(zip(pairs, history.low_leads.tolist(), strict=True))
    return Draft(asked, low_lead, places, history.limit)


def _draft(
    history: History, quota: Ints, theta: Floats | None, value: Value, size: int, rng: np.random.Generator
) -> Draft:
    draft = _books(history, wave_quotas.seats(quota, history.lead))
    if np.any(history.labels != history.labels[0]):
        link(draft, history.labels, rng)
    keep = len(draft)
    one, other, useful = _candidates(history, draft, theta, value, rng)
    match(draft, one[useful], other[useful])
    for fresh in (True, False):
        if len(draft) < size:
            repair(draft, Exchanges(keep, theta, fresh), rng)
            match(draft, one, other)
    if len(draft) < size:
        counts, lead = _totals(history, draft)
        fill(draft, counts, lead, size, rng)
    return draft


def _candidates(
    history: History, draft: Draft, theta: Floats | None, valued: Value, rng: np.random.Generator
) -> tuple[Ints, Ints, Flags]:
    """Pairs of neighbours on the scale (or in random order without scores), most valuable first.

    The last array says which of them are useful at once: new pairs, and repeats worth more than a new pair that has
    `CHOICE` better ones for each place of the wave.
    """
    places = np.array([draft.places(item) for item in range(history.n_items)])
    active = rng.permutation(np.flatnonzero(places > 0))
    if theta is not None:
        active = active[np.argsort(theta[active], kind="stable")]
    met = len(history.pairs) * 2 // history.n_items
    wanted = 2 * int(places.sum()) // max(len(active), 1)
    span = min(len(active) - 1, WINDOW + met + wanted)
    left = np.concatenate([np.arange(len(active) - gap) for gap in range(1, span + 1)] or [np.zeros(0, dtype=np.int64)])
    gaps = np.repeat(np.arange(1, span + 1), [len(active) - gap for gap in range(1, span + 1)])
    one, other = active[left], active[left + gaps]
    times = history.times_asked(one, other)
    one, other, times = (part[times < history.limit] for part in (one, other, times))
    value = valued(np.zeros(len(one)) if theta is None else np.abs(theta[one] - theta[other]), times)
    order = np.lexsort((rng.random(len(one)), -value))
    turned = rng.random(len(one)) < 0.5  # so that the lower score does not always come first
    new = np.sort(value[times == 0])[::-1]
    enough = CHOICE * int(places.sum())
    useful = (times == 0) | (value > (new[enough] if enough < len(new) else 0.0))
    return np.where(turned, other, one)[order], np.where(turned, one, other)[order], useful[order]


def _faults(history: History, draft: Draft, size: int, by_doubt: bool) -> tuple[int, ...]:
    """What a draft lacks, worst first: pairs, new pairs, connections, balance of appearances, of seats. All 0: perfect."""
    counts, lead = _totals(history, draft)
    twice = sum(times - 1 for times in draft.in_wave.values())
    items = np.arange(history.n_items)
    ends = np.concatenate([history.labels, draft.first]), np.concatenate([items, draft.second])
    pieces = len(np.unique(weak_labels(history.n_items, *(end.astype(np.int64) for end in ends))))
    spread, tilt = int(np.ptp(counts)), int(np.abs(lead).max())
    allowed = int(2 * wave_worth.reach(counts)) if by_doubt else 1
    return size - len(draft), twice, pieces - 1, max(spread - allowed, 0), max(tilt - 1, 0)


def _totals(history: History, draft: Draft) -> tuple[Ints, Ints]:
    """Appearances and seat lead of each item over history and wave."""
    firsts = counted(np.array(draft.first, dtype=np.int64), history.n_items)
    seconds = counted(np.array(draft.second, dtype=np.int64), history.n_items)
    return history.counts + firsts + seconds, history.lead + firsts - seconds


def scores_of(theta: ArrayLike | None, n_items: int) -> Floats | None:
    """The scores, checked; None without any."""
    if theta is None:
        return None
    scores = np.asarray(theta, dtype=np.float64)
    if scores.shape != (n_items,) or not np.isfinite(scores).all():
        raise StatsError(f"`theta` must hold one finite score for each of the {n_items} items.")
    return scores
