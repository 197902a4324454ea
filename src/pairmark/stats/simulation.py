"""Known truths and judgements drawn from them, for tests, benches and trying out designs.

The judge that answers single questions of a batch lives with the judges.
"""

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats


def true_scores(n_items: int, sd: float, seed: int) -> Floats:
    """Normal true scores in logits with this SD in expectation, shape (n_items,). SD 0: nothing but coin tosses.

    Examples
    --------
    >>> true_scores(3, 0.0, seed=1).tolist()
    [0.0, 0.0, 0.0]
    """
    return np.random.default_rng([seed, 0]).normal(0.0, sd, n_items) if sd > 0 else np.zeros(n_items)


def simulate(theta: ArrayLike, pairs: ArrayLike, seed: int, order_bias: float = 0.0) -> Floats:
    """Draw an outcome for each ordered pair: 1 the first won, 0 the second, shape (n_pairs,).

    `pairs` has shape (n_pairs, 2); P(first wins) = 1 / (1 + exp(-(theta_first - theta_second + order_bias))).

    Examples
    --------
    >>> simulate([50.0, -50.0], [[0, 1], [1, 0]], seed=1).tolist()
    [1.0, 0.0]
    """
    truth, ends = np.asarray(theta, dtype=np.float64), np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    logit = truth[ends[:, 0]] - truth[ends[:, 1]] + order_bias
    draw = np.random.default_rng([seed, 1]).random(len(ends))
    return (draw < 0.5 * (1 + np.tanh(logit / 2))).astype(np.float64)
