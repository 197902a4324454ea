"""Fitting scores, their errors and their misfit, beside evalica and scikit-learn on the same comparisons.

Peers get what they ask for, made from the same arrays within the time: evalica the indices and winners, scikit-learn a
sparse design. Ours starts from the arrays, too, and checks them. All with one thread, of BLAS and of OpenMP.
"""

import resource
import time
from itertools import chain
from statistics import median

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.misfit import essay_misfit, judge_misfit
from pairmark.stats.split_half import split_half

pytestmark = pytest.mark.benchmark
ENOUGH = 1e-6  # logits; how exact Pairmark promises scores to be, so a peer that stops farther off has not fitted them
NOT_FITTED = 1.0  # logits; a peer that stops this far off is told as a fact, with no target: it gave up rather than won
SMALL, LARGE = (1_000, 20_000), (10_000, 1_000_000)


@pytest.fixture(autouse=True)
def _one_thread():
    import sklearn.linear_model  # noqa: F401, PLC0415 - bench only; a limit holds for libraries that are loaded

    with threadpool_limits(1):
        yield


def drawn(n_items, n_rows, sd=1.5):
    """First and second indices, outcomes, item ids and judges of random pairs with this true SD."""
    rng = np.random.default_rng(11)
    truth = rng.normal(0, sd, n_items)
    first = rng.integers(0, n_items, n_rows)
    second = (first + rng.integers(1, n_items, n_rows)) % n_items
    outcome = (rng.random(n_rows) < 1 / (1 + np.exp(truth[second] - truth[first]))).astype(float)
    judges = [f"j{k:03}" for k in rng.integers(0, 50, n_rows)]
    return first, second, outcome, [f"e{k:05}" for k in range(n_items)], judges


def spent(work, times):
    """Median seconds of `times` runs after a first one."""
    return spent_by_turns([work], times)[0]


def spent_by_turns(works, times, in_a_row=5):
    """The same for each of `works`, which take turns, so that a busy neighbour holds up all alike.

    At each turn a work runs some times in a row, so that none pays for what the one before left in the caches.
    """
    for work in works:
        work()
    seconds = [[[timed(work) for _ in range(in_a_row)] for work in works] for _ in range(times)]
    return [median(chain.from_iterable(column)) for column in zip(*seconds, strict=True)]


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def evalica_scores(first, second, outcome, items):
    from evalica import Winner, bradley_terry  # noqa: PLC0415 - bench only

    winners = [Winner.X if won else Winner.Y for won in outcome.tolist()]
    names = np.array(items)
    scores = np.log(bradley_terry(names[first].tolist(), names[second].tolist(), winners, limit=1000).scores[items])
    return (scores - scores.mean()).to_numpy()


def sklearn_scores(first, second, outcome, items, solver="lbfgs", tolerance=1e-4):
    """With its defaults: lbfgs and a tolerance of 1e-4."""
    from scipy.sparse import csr_array  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - bench only

    ends = np.stack([first, second], axis=1).ravel()
    signs = np.tile([1.0, -1.0], len(first))
    design = csr_array((signs, ends, 2 * np.arange(len(first) + 1)), shape=(len(first), len(items)))
    options = {"C": 1.5**2, "fit_intercept": False, "max_iter": 1000}
    scores = LogisticRegression(**options, solver=solver, tol=tolerance).fit(design, outcome).coef_[0]
    return scores - scores.mean()


def fastest_sklearn(data, exact, times):
    """Its fastest solver with the loosest tolerance that comes within `ENOUGH` of the exact scores."""
    enough = []
    for solver in ("lbfgs", "newton-cg"):  # lbfgs may stop short of it with any tolerance
        ways = ((solver, 10.0**-digits) for digits in range(4, 12))
        enough += [next((way for way in ways if far(sklearn_scores(*data, *way), exact) <= ENOUGH), None)]
    enough = [way for way in enough if way]
    seconds = spent_by_turns([lambda way=way: sklearn_scores(*data, *way) for way in enough], times)
    return enough[int(np.argmin(seconds))]


def beside_sklearn(record, size, name, times, at_least):
    """Time a fit with a known prior beside sklearn as it comes, and beside its fastest way to the same scores."""
    first, second, outcome, items, _ = drawn(*size)
    data = first, second, outcome, items
    ours = lambda: fit(comparisons((first, second, outcome), items=items), prior_sd=1.5)  # noqa: E731
    exact = ours().theta
    solver, tolerance = fastest_sklearn(data, exact, 1)
    works = [ours, lambda: sklearn_scores(*data), lambda: sklearn_scores(*data, solver, tolerance)]
    own, plain, strict = spent_by_turns(works, times)
    off = far(sklearn_scores(*data), exact)
    ways = (
        (plain, "sklearn with its defaults", f"lbfgs, tol 0.0001, {off:.1g} logits off", off < NOT_FITTED),
        (
            strict,
            "sklearn at equal accuracy",
            f"{solver}, tol {tolerance:g}, its fastest within {ENOUGH:g} logits",
            True,
        ),
    )
    for theirs, peer, against, held in ways:
        record(f"fit, {name}, beside {peer}", 1000 * own, "ms", peer=1000 * theirs, against=against)
        record(f"fit, {name}: times as fast as {peer}", theirs / own, "times", at_least=at_least if held else None)


def far(scores, exact):
    return np.abs(scores - exact).max()


def test_scores_of_a_thousand_beside_evalica(record):
    """Plain maximum likelihood: a true SD at which every item wins and loses, since evalica gives no scores else."""
    first, second, outcome, items, _ = data = drawn(*SMALL, sd=0.5)
    ml = lambda: fit(comparisons((first, second, outcome), items=items), method="ml")  # noqa: E731
    ours, theirs = spent_by_turns([ml, lambda: evalica_scores(*data[:4])], 9)
    against = f"evalica, {far(evalica_scores(*data[:4]), ml().theta):.1g} logits off"
    record("fit (ml), 1,000 x 20,000", 1000 * ours, "ms", peer=1000 * theirs, against=against)
    record("the same: times as fast as evalica", theirs / ours, "times", at_least=4)


def test_scores_of_a_thousand_beside_sklearn(record):
    beside_sklearn(record, SMALL, "1,000 x 20,000", 15, at_least=4)


def test_scores_errors_and_misfit_of_a_thousand(record):
    first, second, outcome, items, judges = drawn(*SMALL)
    data = comparisons((first, second, outcome), items=items, judges=judges)

    def whole(simulations):
        result = fit(data)
        assert (result.standard_error > 0).all()
        return judge_misfit(result, simulations), essay_misfit(result, simulations)

    record("fit, full errors, misfit, 1,000 x 20,000", spent(lambda: whole(0), 5), "s", at_most=0.2)
    record("the same with bands from 400 simulations", spent(lambda: whole(400), 1), "s")


def test_refit_after_a_hundred_new_decisions(record):
    first, second, outcome, items, _ = data = drawn(*SMALL)
    before = fit(comparisons((first[:-100], second[:-100], outcome[:-100]), items=items))
    refit = lambda **options: fit(comparisons(data[:3], items=items), **options)  # noqa: E731
    works = [lambda: refit(start=before, prior_sd=before.prior_sd), lambda: refit(start=before), refit]
    known, anew, cold = spent_by_turns(works, 15)
    record("refit after 100 new decisions, prior SD kept", 1000 * known, "ms", at_most=15)
    from_nothing = "the same fit from nothing"
    record("refit after 100 new decisions", 1000 * anew, "ms", at_most=15, peer=1000 * cold, against=from_nothing)
    off = far(refit(start=before).theta, refit().theta)
    record("scores of that refit beside those of the fit from nothing", off, "logits", at_most=1e-6)


@pytest.mark.parametrize("over", ["judges", "comparisons"])
def test_a_thousand_split_halves(record, over):
    first, second, outcome, items, judges = drawn(200, 4_000)
    result = fit(comparisons((first, second, outcome), items=items, judges=judges))
    record(f"1,000 split halves over {over}, 200 x 4,000", timed(lambda: split_half(result, over)), "s", at_most=5)


def test_errors_of_ten_thousand(record):
    first, second, outcome, items, _ = drawn(*LARGE)
    result = fit(comparisons((first, second, outcome), items=items), prior_sd=1.5)
    record("errors of 10,000 items", timed(lambda: result.standard_error), "s", at_most=10)
    assert (result.standard_error > 0).all()
    anew = timed(lambda: fit(comparisons((first, second, outcome), items=items)))
    record("fit, 10,000 x 1,000,000, prior SD estimated", anew, "s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record("peak memory of the process up to here", peak, "GB", at_most=1)


def test_scores_of_ten_thousand_beside_sklearn(record):
    beside_sklearn(record, LARGE, "10,000 x 1,000,000", 3, at_least=1.5)


def test_the_cost_is_linear_in_comparisons(record):
    """The picture of it is drawn from these numbers by `scripts/reference_pages/cost_of_fits.py`."""
    sizes = [50_000, 100_000, 200_000, 400_000, 800_000]
    works = []
    for rows in sizes:
        first, second, outcome, items, _ = drawn(2_000, rows)
        works.append(lambda d=(first, second, outcome), i=items: fit(comparisons(d, items=i), prior_sd=1.5))
    times = spent_by_turns(works, 5)
    for rows, seconds in zip(sizes, times, strict=True):
        record(f"fit, 2,000 x {rows:,}", 1000 * seconds, "ms")
    power = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
    record("power of the number of comparisons that the time of a fit grows with", power, "", at_most=1.15)
