"""Pairs by what they are expected to settle about the order of all items, for waves of up to `MOST_ITEMS` items.

Each pick counts on the answers to the picks before it, so that a wave is planned whole. Larger waves go by closeness of
scores (`pairing`), and what is left open here is closed in `wave_completion`.
"""

import numpy as np

from pairmark.stats.arrays import Flags, Floats, Ints
from pairmark.stats.wave_draft import Draft
from pairmark.stats.wave_history import History

MOST_ITEMS = 200  # beyond, a covariance matrix per wave costs more time than the better pairs are worth
WINDOW = 1000
NEVER = -1.0  # below every gain


def choose(draft: Draft, history: History, theta: Floats, size: int, leeway: int, rng: np.random.Generator) -> None:
    """Add up to `size` pairs to the draft, each the one that lowers the expected squared error of the ranks most.

    Appearances over history and wave stay within `leeway` of their mean, seats of an item within 1 of each other.

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
        gain = np.where(places.open_pairs(picks.far, size - len(draft)), picks.gain(), NEVER)
        best = int(np.argmax(gain))
        if gain.flat[best] <= NEVER:
            return
        one, gap = divmod(best, picks.span)
        other = one + gap + 1
        ends = _seated(draft, int(order[one]), int(order[other]), places.lead[one] - places.lead[other], rng)
        picks.take(one, other)
        if ends is not None:
            draft.add(*ends)
            places.take(one, other, 1 if ends[0] == order[one] else -1)


class _Picks:
    """Gains of all pairs (k, k + 1 + gap) in order of score, shape (n_items, span), as the wave grows."""

    def __init__(self, history: History, theta: Floats, order: Ints) -> None:
        n, scores = history.n_items, theta[order]
        self.span = min(WINDOW, n - 1)
        spread = posterior(history, theta)[np.ix_(order, order)]
        gap = scores[:, None] - scores[None, :]
        variance = np.diag(spread)[:, None] + np.diag(spread)[None, :] - 2 * spread
        np.fill_diagonal(variance, 1.0)
        weight = np.exp(-(gap**2) / (2 * variance)) / np.sqrt(variance)
        np.fill_diagonal(weight, 0.0)
        self._slope = np.diag(weight.sum(axis=1)) - weight
        self._spread = spread
        one = np.repeat(np.arange(n), self.span).reshape(n, self.span)
        other = one + np.arange(1, self.span + 1)
        inside = other < n
        self.far = np.where(inside, other, 0)
        times = history.times_asked(order[one.ravel()], order[self.far.ravel()]).reshape(n, self.span)
        self._possible = inside & (times < history.limit)
        self._information = 0.25 / np.cosh(np.minimum(np.abs(gap[one, self.far]), 100.0) / 2) ** 2
        self._share = 1 / (1.0 + times) ** 2
        self._variance = variance[one, self.far]
        moved = self._slope @ spread
        self._effect = np.sum(moved**2, axis=0)[:, None] + np.sum(moved**2, axis=0)[self.far]
        self._effect -= 2 * np.einsum("ki,kij->ij", moved, moved[:, self.far])
        self._moved = moved

    def gain(self) -> Floats:
        """How much each pair would lower the expected squared error of the ranks; `NEVER` for pairs used up."""
        settled = self._information / (1 + self._information * self._variance)
        return np.where(self._possible, self._share * settled * self._effect, NEVER)

    def take(self, one: int, other: int) -> None:
        """Count on the answer to this pair, and do not offer it again."""
        gap = other - one - 1
        information = self._information[one, gap]
        u = self._spread[:, one] - self._spread[:, other]
        share = information / (1 + information * (u[one] - u[other]))
        rank = self._slope @ u
        pull = self._moved.T @ rank
        apart, pulled = u[:, None] - u[self.far], pull[:, None] - pull[self.far]
        self._variance -= share * apart**2
        self._effect += share * apart * (share * float(rank @ rank) * apart - 2 * pulled)
        self._spread -= share * np.outer(u, u)
        self._moved -= share * np.outer(rank, u)
        self._possible[one, gap] = False


class _Places:
    """How often each item, in order of score, may and must still appear, and by how much its first seats lead."""

    def __init__(self, history: History, order: Ints, size: int, leeway: int) -> None:
        counts = history.counts[order]
        mean = (int(counts.sum()) + 2 * size) / history.n_items
        self.most = np.clip(np.floor(mean + leeway) - counts, 0, np.ceil(3 * size / history.n_items))
        self.least = np.maximum(np.ceil(mean - leeway) - counts, 0)
        self.lead = history.lead[order].copy()

    def open_pairs(self, far: Ints, left: int) -> Flags:
        """Pairs whose ends both have a place, in opposite seats, and that leave enough for those who must appear."""
        has, must, side = self.most > 0, (self.least > 0).astype(np.int64), np.sign(self.lead)
        spare = 2 * left - int(self.least.sum())
        allowed = has[:, None] & has[far] & (side[:, None] * side[far] != 1)
        return np.asarray(allowed & (must[:, None] + must[far] >= 2 - spare) if spare < 2 else allowed)

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
    information = history.met * 0.25 / np.cosh(np.minimum(np.abs(theta[one] - theta[other]), 100.0) / 2) ** 2
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
    """The order that levels the seats and flips a repeat; None if no order does both."""
    towards = [(one, other), (other, one)] if lead == 0 else [(other, one) if lead > 0 else (one, other)]
    fit = [pair for pair in towards if draft.allowed(*pair)]
    return fit[int(rng.integers(len(fit)))] if fit else None
