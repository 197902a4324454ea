"""How many calls a language model needs until the scale is reliable: our rule against equal appearances, both in both orders."""

from statistics import mean

import numpy as np
import pytest

from pairmark.domain import stopping
from pairmark.domain.stopping import Rules, Scale, Tally, may_end, stop_reason, wave_size_in_both_orders
from pairmark.stats import comparisons, fit
from pairmark.stats.bradley_terry import provisional
from pairmark.stats.errors import UnconnectedError
from pairmark.stats.reliability import empirical_bayes
from pairmark.stats.rules import adaptive, equal_appearances, in_both_orders
from pairmark.stats.threads import one_blas_thread

pytestmark = pytest.mark.benchmark

ESSAYS, SEEDS, TARGET = 120, 20, 0.85
RULES = Rules(target_reliability=TARGET, stability_threshold=0, success_rate=0.8, completion_threshold=1)
ORDER = 0.5  # logits for the text shown first
WAVE = wave_size_in_both_orders(ESSAYS, Tally(1_000_000, 0, 0, 0))
FLIPS = 0.129  # of pairs told apart differently in the other order: GPT-4 in the data of MT-bench (Zheng et al. 2023)


@pytest.mark.parametrize("sd", [4.5, 3.0, 2.0, 1.0])
def test_calls_until_the_scale_is_reliable(record, sd):
    with one_blas_thread():
        ours = [calls(in_both_orders(adaptive), sd, seed) for seed in range(SEEDS)]
        equal = [calls(in_both_orders(equal_appearances), sd, seed) for seed in range(SEEDS)]
    spent, peer = mean(one for one, _ in ours), mean(one for one, _ in equal)
    truth = f"truth is met with r = {mean(r for _, r in ours):.3f}, there {mean(r for _, r in equal):.3f}"
    record(
        f"calls to a reliability of {TARGET}, {ESSAYS} essays, true SD {sd:g}, {SEEDS} seeds", spent, "calls",
        peer=peer, against=f"equal appearances; {truth}",
    )  # fmt: skip
    told = f"{flips(sd):.1%} of random pairs are told apart differently in the other order"
    # What judges of these days do: the largest spread here whose answers still turn as often as those measured.
    target = 0.8 if flips(sd) <= FLIPS + 0.005 else None
    record(
        f"the same as a share of what equal appearances need, true SD {sd:g}",
        spent / peer,
        "",
        at_most=target,
        against=told,
    )


def flips(sd: float) -> float:
    """Share of random pairs whose winner turns with the order."""
    gap = np.random.default_rng(0).normal(scale=sd * 2**0.5, size=1_000_000)
    one, other = 1 / (1 + np.exp(-gap - ORDER)), 1 / (1 + np.exp(-gap + ORDER))
    return float(np.mean(one * (1 - other) + (1 - one) * other))


def calls(rule, sd: float, seed: int) -> tuple[int, float]:
    """Calls until the headline reliability reaches the target, and how well the scale then meets the truth.

    As in a run, a wave is planned while the one before is asked, on the verdicts before that one, unless that one may be the last.
    """
    rng = np.random.default_rng([seed, 6])
    truth = rng.normal(scale=sd, size=ESSAYS)
    asked, outcome, wave, overlap = np.zeros((0, 2), dtype=np.int64), np.zeros(0), 0, 0
    while wave < 60 * ESSAYS // WAVE:
        known = len(asked) - overlap
        theta, scale = standing(asked[:known], outcome[:known])
        if overlap and may_end(known, overlap, scale, RULES):
            overlap = 0
        elif not overlap and stop_reason(Tally(1_000_000, known, known, known), scale, RULES):
            return known, float(np.corrcoef(theta, truth)[0, 1])
        else:
            pairs = rule(ESSAYS, asked[:, 0], asked[:, 1], size=WAVE, theta=theta, seed=seed, wave=wave)
            gap = truth[pairs[:, 0]] - truth[pairs[:, 1]] + ORDER
            asked = np.concatenate([asked, pairs])
            outcome = np.append(outcome, (rng.random(len(pairs)) < 1 / (1 + np.exp(-gap))).astype(float))
            sent = Tally(1_000_000, len(asked) - len(pairs), known, known)
            wave, overlap = wave + 1, stopping.overlap(len(pairs), ESSAYS, sent, RULES)
    raise AssertionError("not reliable in the end")


def standing(asked, outcome):
    """Scores to plan by, and what the stopping rule sees."""
    nothing = Scale(None, None, connected=False)
    if not len(asked):
        return None, nothing
    data = comparisons((asked[:, 0], asked[:, 1], outcome), items=[str(item) for item in range(ESSAYS)])
    try:
        fitted = fit(data, order_effect=True)
    except UnconnectedError:
        return provisional(data), nothing
    return fitted.theta, Scale(empirical_bayes(fitted), None, connected=True)
