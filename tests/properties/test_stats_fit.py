"""Whatever the comparisons: scores are finite, errors honest and never 0, and nothing depends on the order of rows or items."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.errors import UnconnectedError
from pairmark.stats.judges import judge_summary
from pairmark.stats.misfit import essay_misfit, judge_misfit
from pairmark.stats.screening import screen
from pairmark.stats.split_half import split_half
from support.sizes import size

ESSAYS = [f"e{k}" for k in range(7)]


@st.composite
def rows(draw, outcomes=(0.0, 0.5, 1.0), judges=3):
    """Rows (first, second, outcome, judge), all over 2 to 7 essays, connected or not."""
    n = draw(st.integers(2, len(ESSAYS)))
    ends = st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True)
    row = st.tuples(ends, st.sampled_from(outcomes), st.integers(0, judges - 1))
    return [
        (ESSAYS[i], ESSAYS[j], outcome, f"j{judge}")
        for (i, j), outcome, judge in draw(st.lists(row, min_size=1, max_size=30))
    ]


def fitted(told, items=None, **more):
    data = comparisons([row[:3] for row in told], judges=[row[3] for row in told], items=items)
    try:
        return fit(data, **more)
    except UnconnectedError:
        return None


@settings(max_examples=size(40, 1000), deadline=None, derandomize=True)
@given(rows(), st.sampled_from([False, True, "judge"]), st.sampled_from(["davidson", "half"]))
def test_scores_are_finite_and_errors_never_nought(told, order, ties):
    result = fitted(told, order_effect=order, ties=ties)
    assume(result is not None)
    low, high = result.interval()
    for numbers in (result.theta, low, high, result.standard_error, result.draws(20)):
        assert np.isfinite(numbers).all()
    assert (result.standard_error > 0.05).all()
    assert (result.standard_error < 20).all()
    assert all(result.difference_se(0, k) > 0.05 for k in range(1, len(result.items)))
    assert np.abs(result.covariance.sum(axis=1)).max() < 1e-6
    best, worst = result.rank_interval(draws=50)
    assert (best <= worst).all()


@settings(max_examples=size(20, 300), deadline=None, derandomize=True)
@given(st.sampled_from(["won", "lost", "tied", "half tied"]), st.integers(2, 7), st.integers(1, 40))
def test_one_sided_sessions_have_finite_scores_in_the_right_order(kind, n, times):
    outcome = {"won": [1.0], "lost": [0.0], "tied": [0.5], "half tied": [0.5, 1.0]}[kind]
    told = [(ESSAYS[k], ESSAYS[k + 1], outcome[t % len(outcome)], "j0") for k in range(n - 1) for t in range(times)]
    result = fitted(told)
    steps = np.diff(result.theta)
    assert (result.standard_error > 0.05).all()
    assert (result.standard_error < 20).all()
    if kind == "tied":
        assert np.abs(steps).max() < 1e-6
    elif kind == "lost":
        assert (steps > 0).all()
    elif times > 1 or kind == "won":
        assert (steps < 0).all()


@settings(max_examples=size(20, 300), deadline=None, derandomize=True)
@given(rows(), st.integers(3, 30))
def test_an_essay_that_won_everything_has_a_larger_error_than_one_that_won_half(told, times):
    """Against the same opponents, as often."""
    others = [row for row in told if ESSAYS[6] not in row[:2]]
    assume(others)
    one = others[0][0]
    even = [*others, *[(ESSAYS[6], one, float(k % 2), "j0") for k in range(times)]]
    swept = [*others, *[(ESSAYS[6], one, 1.0, "j0") for k in range(times)]]
    pair = [fitted(each, prior_sd=1.5) for each in (even, swept)]
    assume(pair[0] is not None)
    place = pair[0].items.index(ESSAYS[6])
    assert pair[1].standard_error[place] > pair[0].standard_error[place]


@settings(max_examples=size(20, 400), deadline=None, derandomize=True)
@given(rows(), st.randoms(use_true_random=False), st.sampled_from([False, True, "judge"]))
def test_the_same_judgements_in_another_order_give_the_same_bits(told, random, order):
    items = sorted({end for row in told for end in row[:2]})
    one = fitted(told, items, order_effect=order)
    assume(one is not None)
    shuffled, turned = random.sample(told, len(told)), random.sample(items, len(items))
    other = fitted(shuffled, turned, order_effect=order)
    place = np.array([other.items.index(item) for item in items])
    assert all(
        bits(mine) == bits(theirs)
        for mine, theirs in zip(said(one, np.arange(len(items))), said(other, place), strict=True)
    )


def said(result, place):
    """Everything there is to say of a fit, in the order of `place`."""
    yield result.theta[place]
    yield result.standard_error[place]
    yield from (end[place] for end in result.interval())
    yield result.covariance[np.ix_(place, place)]
    yield result.draws(20)[:, place]
    yield from (end[place] for end in result.rank_interval(draws=50))
    yield np.array([result.prior_sd, result.log_likelihood, result.difference_se(*place[:2])])
    by_name = np.argsort(result.comparisons.judges)
    if result.order_effects is not None:
        yield result.order_effects if len(result.order_effects) == 1 else result.order_effects[by_name]
    for found, order in ((essay_misfit(result, 20), place), (judge_misfit(result, 20), by_name)):
        yield from (values[order] for values in (found.infit, found.outfit, found.infit_p, found.outfit_low))
    screened = screen(result)
    yield screened.p[by_name]
    yield screened.log_likelihood[by_name]
    summary = judge_summary(result)
    yield from (summary.agreement[by_name], summary.expected_agreement[by_name], summary.flip_rate[by_name])
    if len(result.comparisons) > 1:
        yield split_half(result, "comparisons", 20).correlations


def bits(array):
    return np.ascontiguousarray(array).tobytes()
