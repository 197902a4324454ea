"""Topics that were never judged, drawn to be like the two that were: for judging pairing rules on more than two topics.

What was estimated from the recorded votes: true scores spread between uniform and normal; one vote in four to seven is a tie;
given the scores, votes of one pair are as independent as the model has them (their dispersion about the model is .92 and .98,
and a random effect of each pair is estimated as 0), so pairs have no taste of their own here unless `taste` says so. The SD
of the true scores is set so that equal appearances agree with all votes as well as over the corpus's other topics.
"""

import numpy as np

from pairmark.stats.davidson import chances
from support.replay import Topic, Vote, topic_of

ITEMS = (25, 35)
SD = (1.0, 1.8)  # logits
LOG_NU = (-1.2, -0.2)
VOTES, SHARES = (4, 5, 6), (0.1, 0.8, 0.1)


def topic_alike(seed: int, *, taste: float = 0.0) -> Topic:
    """One topic; `taste` is the SD in logits of what a pair has of its own, whatever the scores of its texts."""
    rng = np.random.default_rng([seed, 99])
    n, sd, log_nu = int(rng.integers(ITEMS[0], ITEMS[1] + 1)), rng.uniform(*SD), rng.uniform(*LOG_NU)
    truth = sd * np.sqrt(0.5) * (rng.normal(size=n) + rng.uniform(-(3**0.5), 3**0.5, n))
    one, other = np.triu_indices(n, 1)
    asked = np.repeat(np.arange(len(one)), rng.choice(VOTES, size=len(one), p=SHARES))
    gap = truth[one] - truth[other] + taste * rng.normal(size=len(one))
    outcome = chances(gap[asked], log_nu).draw(rng)
    turned = rng.random(len(asked)) < 0.5
    votes: list[Vote] = [
        (j, i, 1 - won) if turn else (i, j, won)
        for i, j, won, turn in zip(one[asked].tolist(), other[asked].tolist(), outcome.tolist(), turned, strict=True)
    ]
    return topic_of(tuple(f"t{k:02}" for k in range(n)), votes)
