"""Pairs by what they are expected to settle about the order of all items, for waves of up to `MOST_ITEMS` items.

Each pick counts on the answers to the picks before it, so that a wave is planned whole. Larger waves go by closeness of
scores (`pairing`), and what is left open here is closed in `wave_completion`.
"""

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints
from pairmark.stats.wave_draft import Draft
from pairmark.stats.wave_history import History

MOST_ITEMS = 140  # beyond, planning a wave would take longer than 50 ms
FAR = 100.0  # logits; beyond, pairs tell equally little
AT_RANDOM = 0.2  # share of a wave, drawn first; without it far items drift apart and coin tosses look reliable
NEVER = -1.0  # below every gain


def choose(draft: Draft, history: History, theta: Floats, size: int, leeway: int, rng: np.random.Generator) -> None:
    """Add up to `size` pairs to the draft, each the one that lowers the expected squared error of the ranks most.

    The first `AT_RANDOM` of them are drawn, new pairs first: without them coin tosses would look more reliable.
    Appearances over history and wave stay within `leeway` of their mean.

    Notes
    -----
    If scores are theta + e with e ~ N(0, S), ranks err by about L e to first order, where L is the Laplacian of the weights
    N(theta_i - theta_j; 0, S_ii + S_jj - 2 S_ij): only items that may be mistaken for each other count. A comparison of
    i and j with information q = p (1 - p) changes S by the rank-one update -q u u' / (1 + q v), with u = S (e_i - e_j)
    and v = u_i - u_j, and so lowers trace(L S L') by q |L u|**2 / (1 + q v): A-optimality (Chaloner & Verdinelli
    1995, Statistical Science 10) for ranks.
    """
    order = rng.permutation(history.n_items)
    order = order[np.argsort(theta[order], kind="stable")]
    picks = _Picks(history, theta, order)
    places = _Places(history, order, size, leeway)
    while len(draft) < size:
        gain = picks.gain() if len(draft) >= AT_RANDOM * size else picks.drawn(rng)
        open_pairs = places.open_pairs(picks.one, picks.other, size - len(draft)) & ~picks.used
        opposite = open_pairs & places.in_opposite_seats(picks.one, picks.other)
        gain[~(opposite if opposite.any() else open_pairs)] = NEVER
        best = int(np.argmax(gain))
        if gain[best] <= NEVER:
            return
        one, other = int(picks.one[best]), int(picks.other[best])
        ends = _seated(draft, int(order[one]), int(order[other]), int(places.lead[one] - places.lead[other]), rng)
        picks.used[best] = True
        if ends is not None:
            draft.add(*ends)
            picks.count_on(best)
            places.take(one, other, 1 if ends[0] == order[one] else -1)


class _Picks:
    """Gains of all pairs (`one`, `other`) of places in order of score, shape (n_pairs,), as the wave grows."""

    def __init__(self, history: History, theta: Floats, order: Ints) -> None:
        self.one, self.other = np.triu_indices(history.n_items, 1)
        times = history.times_asked(order[self.one], order[self.other])
        self.used = times >= history.limit
        self._share = 1 / (1.0 + times) ** 2  # judges tend to repeat themselves, so a repeat tells less than a new pair
        self._spread = posterior(history, theta)[np.ix_(order, order)]
        gap = self._apart(theta[order])
        self._information = 0.25 / np.cosh(np.minimum(np.abs(gap), FAR) / 2) ** 2
        own = np.diag(self._spread)
        self._variance = own[self.one] + own[self.other] - 2 * self._spread[self.one, self.other]
        weight = np.zeros_like(self._spread)
        weight[self.one, self.other] = np.exp(-(gap**2) / (2 * self._variance)) / np.sqrt(self._variance)
        weight += weight.T
        self._slope = np.diag(weight.sum(axis=1)) - weight
        self._moved = self._slope @ self._spread
        product = self._moved.T @ self._moved
        own = np.diag(product)
        self._effect = own[self.one] + own[self.other] - 2 * product[self.one, self.other]

    def gain(self) -> Floats:
        """How much each pair would lower the expected squared error of the ranks; `NEVER` for pairs used up."""
        gain = self._share * self._information * self._effect / (1 + self._information * self._variance)
        gain[self.used] = NEVER
        return np.asarray(gain)

    def drawn(self, rng: np.random.Generator) -> Floats:
        """Any pairs, those asked least often first; `NEVER` for pairs used up."""
        return np.where(self.used, NEVER, self._share * (1 + rng.random(len(self.one))) / 2)

    def count_on(self, pair: int) -> None:
        """Work with the covariance that an answer to this pair will leave."""
        one, other, information = self.one[pair], self.other[pair], self._information[pair]
        u = self._spread[:, one] - self._spread[:, other]
        share = information / (1 + information * (u[one] - u[other]))
        rank = self._slope @ u
        apart = self._apart(u)
        pulled = self._apart(share * float(rank @ rank) * u - 2 * (rank @ self._moved))
        self._variance -= share * apart**2
        self._effect += share * apart * pulled
        self._spread -= share * np.outer(u, u)
        self._moved -= share * np.outer(rank, u)

    def _apart(self, values: Floats) -> Floats:
        return values[self.one] - values[self.other]


class _Places:
    """How often each item, in order of score, may and must still appear, and by how much its first seats lead."""

    def __init__(self, history: History, order: Ints, size: int, leeway: int) -> None:
        counts = history.counts[order]
        mean = (int(counts.sum()) + 2 * size) / history.n_items
        self.most = np.clip(np.floor(mean + leeway) - counts, 0, np.ceil(3 * size / history.n_items))
        self.least = np.maximum(np.ceil(mean - leeway) - counts, 0)
        self.lead = history.lead[order].copy()

    def open_pairs(self, one: Ints, other: Ints, left: int) -> Flags:
        """Pairs whose ends both have a place, and that leave enough places for those who must appear."""
        has = self.most > 0
        allowed = has[one] & has[other]
        due = int(self.least.sum())
        if left <= due:  # early enough for each of them to meet somebody in the opposite seat
            must = (self.least > 0).astype(np.int8)
            allowed &= must[one] + must[other] >= (1 if due < 2 * left else 2)
        return np.asarray(allowed)

    def in_opposite_seats(self, one: Ints, other: Ints) -> Flags:
        """Pairs that can be seated without anybody's lead growing beyond 1."""
        side = np.sign(self.lead).astype(np.int8)
        return np.asarray(side[one] * side[other] != 1)

    def take(self, one: int, other: int, way: int) -> None:
        """Strike one place each; `way` is 1 if `one` sits first and -1 if it sits second."""
        self.most[[one, other]] -= 1
        self.least[[one, other]] = np.maximum(self.least[[one, other]] - 1, 0)
        self.lead[one] += way
        self.lead[other] -= way


def posterior(history: History, theta: Floats) -> Floats:
    """Covariance of scores at `theta` under the sum-to-zero constraint, shape (n_items, n_items).

    The prior variance is the one that `theta` and the information of the comparisons agree on: the fixed point
    variance = mean(theta**2) + mean posterior variance (the EM step of Dempster, Laird & Rubin 1977).
    """
    n = history.n_items
    one, other = history.pairs // n, history.pairs % n
    information = history.met * 0.25 / np.cosh(np.minimum(np.abs(theta[one] - theta[other]), FAR) / 2) ** 2
    laplacian = np.zeros((n, n))
    laplacian[one, other] = laplacian[other, one] = -information
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    values, vectors = np.linalg.eigh(laplacian)
    values, vectors = np.maximum(values[1:], 0.0), vectors[:, 1:]
    observed = float(np.sum((theta - theta.mean()) ** 2)) / (n - 1)
    low, high = 1e-4, 100.0  # variances in squared logits
    for _ in range(40):
        middle = (low * high) ** 0.5
        agreed = observed + float(np.mean(1 / (values + 1 / middle)))
        low, high = (middle, high) if agreed > middle else (low, middle)
    return np.asarray((vectors / (values + 1 / low)) @ vectors.T)


def _seated(draft: Draft, one: int, other: int, lead: float, rng: np.random.Generator) -> tuple[int, int] | None:
    """The order that flips a repeat, or else levels the seats; None if the pair may not be asked."""
    towards = [(one, other), (other, one)] if lead == 0 else [(other, one) if lead > 0 else (one, other)]
    if draft.asked.get(draft.code(one, other), 0):
        towards = [(one, other), (other, one)]
    fit = [pair for pair in towards if draft.allowed(*pair)]
    return fit[int(rng.integers(len(fit)))] if fit else None
