"""Pairing rules behind one interface: each plans a whole wave from what was asked and the scores so far.

`adaptive` is the rule to use, the others are there to compare it with. How waves are dealt is in `pairing` and the `wave_`
modules; who judges which pair is in `assignment`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.errors import StatsError
from pairmark.stats.pairing import fresh_information, plan_by_value, plan_wave, scores_of
from pairmark.stats.wave_history import Blocked, history_of
from pairmark.stats.wave_worth import blind_share

AT_RANDOM = 0.25  # share of a wave; without it closeness strings items into chains, and coin tosses look reliable
AGAIN = 1e6  # logits; a repeat comes after every new pair
ENUMERATED = 1_000_000  # pairs; up to here random pairs are drawn from the list of all


class Rule(Protocol):
    """Plans up to `size` comparisons; arguments and result as in `pairing.plan_wave`."""

    def __call__(
        self,
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
        """Ordered pairs (first seat, second seat), shape (k, 2)."""


def rule(name: str) -> Rule:
    """The rule of this name; `RULES` has them all.

    Examples
    --------
    >>> wave = rule("adaptive")(6, [], [], size=6, seed=1)  # ordered pairs of item numbers
    >>> wave.shape, np.bincount(wave.ravel()).tolist()  # everybody appears twice
    ((6, 2), [2, 2, 2, 2, 2, 2])
    """
    if name not in RULES:
        raise StatsError(f"The pairing rule {name!r} is not one of {', '.join(RULES)}.")
    return RULES[name]


def adaptive(
    n_items: int, first: ArrayLike, second: ArrayLike, *, size: int, theta: ArrayLike | None = None, seed: int,
    pair_limit: int = 4, blocked: Blocked | None = None, wave: int = 0,
) -> Ints:  # fmt: skip
    """Near scores in steps, and most comparisons for the items whose rank is in doubt: ours.

    While scores are less than half reliable, a part of each wave is drawn without regard to them (`wave_worth.blind_share`).
    """
    scores = scores_of(theta, n_items)
    closed = np.array(list(blocked) if blocked is not None else [], dtype=np.int64).reshape(-1, 2)
    history = history_of(n_items, first, second, pair_limit, closed)
    size = min(size, history.room)
    if scores is None or size <= 0:
        return plan_wave(n_items, first, second, size=size, seed=seed, pair_limit=pair_limit, blocked=closed, wave=wave)
    asked = np.reshape([first, second], (2, -1)).T.astype(np.int64)
    blind, chosen = round(blind_share(history, scores) * size), asked[:0]
    # Blindly first, then by scores; pairs drawn blindly are asked again in this wave only where nothing else is left.
    for places, goes_by, avoided in ((blind, 0 * scores, 0), (size, scores, blind), (size, scores, 0)):
        if len(chosen):
            past = np.concatenate([asked, chosen])
            taken = np.concatenate([closed, chosen[:avoided]])
            history = history_of(n_items, past[:, 0], past[:, 1], pair_limit, taken)
        missing = min(places - len(chosen), history.room)
        if missing > 0:
            new = plan_by_value(
                history, missing, goes_by, seed=seed, wave=wave, value=fresh_information, by_doubt=True
            )  # fmt: skip
            chosen = np.concatenate([chosen, new])
        if len(chosen) == size:
            break
    return chosen


def closest_score(
    n_items: int, first: ArrayLike, second: ArrayLike, *, size: int, theta: ArrayLike | None = None, seed: int,
    pair_limit: int = 4, blocked: Blocked | None = None, wave: int = 0, at_random: float = AT_RANDOM,
) -> Ints:  # fmt: skip
    """One balanced round, then new pairs of the closest scores, with equal appearances.

    A share `at_random` of each wave is drawn instead; with 0 the closest pairs are always taken.
    """
    drawn = plan_wave(
        n_items, first, second, size=size if theta is None else round(at_random * size), seed=seed,
        pair_limit=pair_limit, blocked=blocked, wave=wave,
    )  # fmt: skip
    scores = scores_of(theta, n_items)
    asked = np.concatenate([np.reshape([first, second], (2, -1)).T.astype(np.int64), drawn])
    history = history_of(n_items, asked[:, 0], asked[:, 1], pair_limit, blocked)
    size = min(size - len(drawn), history.room)
    if size <= 0 or scores is None:
        return drawn
    closest = plan_by_value(history, size, scores, seed=seed, wave=wave, value=_closeness)
    return np.concatenate([drawn, closest])


def _closeness(gap: Floats, times: Ints) -> Floats:
    return -gap - AGAIN * times


def equal_appearances(
    n_items: int, first: ArrayLike, second: ArrayLike, *, size: int, theta: ArrayLike | None = None, seed: int,
    pair_limit: int = 4, blocked: Blocked | None = None, wave: int = 0,
) -> Ints:  # fmt: skip
    """Random new pairs with equal appearances and balanced seats; scores play no part."""
    return plan_wave(n_items, first, second, size=size, seed=seed, pair_limit=pair_limit, blocked=blocked, wave=wave)


def random_pairs(
    n_items: int, first: ArrayLike, second: ArrayLike, *, size: int, theta: ArrayLike | None = None, seed: int,
    pair_limit: int = 4, blocked: Blocked | None = None, wave: int = 0,
) -> Ints:  # fmt: skip
    """Any pairs, those asked least often first, in either order: nothing is balanced."""
    history, rng = history_of(n_items, first, second, pair_limit, blocked), np.random.default_rng([seed, wave, 0])
    chosen: list[Ints] = []
    while (missing := min(size, history.room) - sum(map(len, chosen))) > 0:
        one, other = _some_pairs(n_items, missing, rng)
        times = history.times_asked(one, other) + len(chosen)
        order = np.lexsort((rng.random(len(one)), times))
        order = order[times[order] < pair_limit][:missing]
        turned = (rng.random(len(order)) < 0.5)[:, None]
        pairs = np.stack([one[order], other[order]], axis=1)
        chosen.append(np.where(turned, pairs[:, ::-1], pairs))
    return np.concatenate(chosen) if chosen else np.zeros((0, 2), dtype=np.int64)


def in_both_orders(one_way: Rule) -> Rule:
    """The same rule with every pair asked twice, once in each order, calls with one first text in a row.

    For judges whom the order sways more than the texts, as it does language models. That row is what providers keep in their
    cache: instructions and first text are the common beginning of its prompts.

    Examples
    --------
    >>> in_both_orders(equal_appearances)(4, [], [], size=4, seed=1).tolist()
    [[0, 3], [1, 2], [2, 1], [3, 0]]
    """

    def both(
        n_items: int, first: ArrayLike, second: ArrayLike, *, size: int, theta: ArrayLike | None = None, seed: int,
        pair_limit: int = 4, blocked: Blocked | None = None, wave: int = 0,
    ) -> Ints:  # fmt: skip
        pairs = one_way(
            n_items, first, second, size=(size + 1) // 2, theta=theta, seed=seed, pair_limit=max(pair_limit - 1, 1),
            blocked=blocked, wave=wave,
        )  # fmt: skip
        turned = pairs[: size - len(pairs), ::-1] if pair_limit > 1 else pairs[:0]
        asked = np.concatenate([pairs, turned])
        return asked[np.argsort(asked[:, 0], kind="stable")]

    return both


def _some_pairs(n_items: int, wanted: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """All unordered pairs, or where these are too many, several times as many different ones as are wanted."""
    if n_items * (n_items - 1) // 2 <= max(ENUMERATED, 8 * wanted):
        one, other = np.triu_indices(n_items, 1)
        return one.astype(np.int64), other.astype(np.int64)
    ends = rng.integers(n_items, size=(4 * wanted + 100, 2))
    code = np.unique(ends.min(axis=1) * n_items + ends.max(axis=1))
    code = code[code // n_items != code % n_items]
    return code // n_items, code % n_items


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "adaptive": adaptive,
        "closest-score": closest_score,
        "equal-appearances": equal_appearances,
        "random": random_pairs,
    }
)
