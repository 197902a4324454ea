"""Fit Bradley-Terry scores to comparisons: the public door of estimation.

P(i beats j) = 1 / (1 + exp(theta_j - theta_i)) (Bradley & Terry 1952, Biometrika 39). The mathematics of one method
each is in `posterior` (mode and curvature), `prior` (SD of the prior) and `sirt`; the result is `fitted.Fit`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from pairmark.stats import sirt
from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.errors import NoFiniteEstimateError, StatsError, UnconnectedError
from pairmark.stats.fitted import Fit, Method, TieRule
from pairmark.stats.posterior import Model, covariance, log_likelihood, mode
from pairmark.stats.prior import estimate

__all__ = ["Fit", "Method", "fit"]


LEAST_START_SD = 0.1  # logits; where the search for the prior SD begins at the earliest
TIE_SD = 2.0  # of log nu; one SD either way is a chance of ties between equal texts of .06 to .79
ORDER_SD = 1.0  # logits; prior SD of the order effect: one SD is a first-seat share of .73 between equal texts


def fit(
    data: Comparisons,
    *,
    method: Method = "map",
    order_effect: bool = False,
    ties: TieRule = "davidson",
    prior_sd: float | None = None,
    start: Floats | None = None,
    start_sd: float | None = None,
) -> Fit:
    """Estimate scores and their full covariance.

    Parameters
    ----------
    data
        From `comparisons()`.
    method
        "map": normal prior with its SD estimated from the data; always finite. "ml": plain maximum likelihood.
        "sirt": as R's `sirt::btm` publishes them, to reproduce published numbers only.
    order_effect
        Also estimate the advantage of the text shown first.
    ties
        "davidson": where the data have ties, how likely they are is estimated with the scores. "half": a tie is half a win for
        each side, as many published scores have it; the method sirt always does so.
    prior_sd
        A known SD of the prior in logits instead of the estimated one ("map" only).
    start
        Scores to start from, shape (n_items,); saves time only, results agree within 1e-6.
    start_sd
        Prior SD to start the search from, such as that of a fit to fewer comparisons; saves time only, too.

    Raises
    ------
    UnconnectedError
        Groups of items have no comparison between them.
    NoFiniteEstimateError
        "ml" on data that are not strongly connected.
    StatsError
        Options that do not go together.

    Notes
    -----
    The same rows in any order give the same bits if BLAS runs on one thread (`threads.one_blas_thread`). Memory is
    about 4 matrices of n_items**2 numbers.
    """
    _check(data, method, order_effect, prior_sd, start)
    if ties not in ("davidson", "half"):
        raise StatsError(f"The rule {ties!r} for ties is not one of davidson and half.")
    if start_sd is not None and not LEAST_START_SD <= start_sd < float("inf"):
        start_sd = None
    sorted_data, place = _canonical(data)
    begin = np.zeros(len(place)) if start is None else np.asarray(start, dtype=np.float64)[np.argsort(place)]
    if method == "sirt":
        return _in_order_of(data, _sirt(sorted_data, begin), place)
    fitted = _newton(_model(sorted_data, method, order_effect, ties), sorted_data, method, prior_sd, begin, start_sd)
    return _in_order_of(data, fitted, place)


def _check(data: Comparisons, method: Method, order_effect: bool, prior_sd: float | None, start: Floats | None) -> None:
    if method not in ("map", "ml", "sirt"):
        raise StatsError(f"The method {method!r} is not one of map, ml and sirt.")
    if prior_sd is not None and (method != "map" or not 0 < prior_sd < float("inf")):
        raise StatsError(f"A prior SD ({prior_sd}) must be positive and finite, and belongs to the method map.")
    if order_effect and method == "sirt":
        raise StatsError("The method sirt has no order effect here; use map or ml.")
    if start is not None and (np.shape(start) != (len(data.items),) or not np.isfinite(start).all()):
        raise StatsError(f"`start` must hold one finite score for each of the {len(data.items)} items.")
    groups = data.groups()
    if len(groups) > 1:
        raise UnconnectedError(groups)
    if method == "ml" and not data.strongly_connected:
        raise NoFiniteEstimateError(_why_infinite(data))


def _why_infinite(data: Comparisons) -> str:
    extreme = [*data.all_won(), *data.all_lost()]
    reason = f"{', '.join(extreme[:5])} won or lost everything" if extreme else "some items never lost to the others"
    return f"Maximum likelihood has no finite scores here, because {reason}; use the method map."


def _model(data: Comparisons, method: Method, order_effect: bool, ties: TieRule) -> Model:
    """What is to be estimated. A rate of ties is, where some comparisons were ties; under "ml" it is infinite if all were."""
    counts = data.ordered_pairs if order_effect else data.pairs
    with_ties = ties == "davidson" and bool(np.any(counts.tied > 0))
    if with_ties and method == "ml" and np.all(counts.tied == counts.weight):
        raise NoFiniteEstimateError(
            "Every comparison is a tie, so no finite rate of ties fits best; use the method map."
        )
    order_sd, tie_sd = (ORDER_SD, TIE_SD) if method == "map" else (math.inf, math.inf)
    return Model(len(data.items), counts, order_effect, order_sd, with_ties, tie_sd)


def _newton(
    model: Model, data: Comparisons, method: Method, prior_sd: float | None, start: Floats, start_sd: float | None
) -> Fit:
    n = model.n_items
    point = np.append(start - start.mean(), np.zeros(model.size - n))
    sd = prior_sd
    if method == "map" and sd is None:
        # A start without spread, zeros or the near-zeros of circular votes, says nothing about the SD.
        start_sd = start_sd or float(point[:n].std())
        if start_sd < LEAST_START_SD:
            start_sd = _rough_sd(data)
        point, spread, sd = estimate(model, point, start_sd)
    else:
        precision = 0.0 if sd is None else sd**-2
        point = mode(model, point, precision)
        spread = covariance(model, point, precision)
    error = np.sqrt(np.diag(spread))
    order, order_error = (float(point[n]), float(error[n])) if model.order_effect else (None, None)
    nu, nu_error = (math.exp(point[-1]), float(error[-1])) if model.ties else (None, None)
    likelihood = log_likelihood(model, point)
    return Fit(
        data.items, point[:n], spread[:n, :n], error[:n], sd, order, order_error, likelihood, method, data, nu, nu_error
    )  # fmt: skip


def _rough_sd(data: Comparisons) -> float:
    """SD of the scores from the spread of win counts beyond chance, if wins were linear in the scores."""
    quarter = data.appearances / 4
    beyond_chance = float(np.sum((data.wins - 2 * quarter) ** 2 - quarter))
    return math.sqrt(max(beyond_chance / float(np.sum(quarter**2)), LEAST_START_SD**2))


def _sirt(data: Comparisons, start: Floats) -> Fit:
    theta, error = sirt.iterate(data, start)
    likelihood = log_likelihood(Model(len(theta), data.pairs), theta)
    return Fit(data.items, theta, np.diag(error**2), error, None, None, None, likelihood, "sirt", data)


def _canonical(data: Comparisons) -> tuple[Comparisons, NDArray[np.int64]]:
    """The data with items in sorted order, and the place of each item there: sums then never depend on the order."""
    order = np.array(sorted(range(len(data.items)), key=data.items.__getitem__), dtype=np.int64)
    place = np.argsort(order)
    if np.array_equal(order, place) and np.array_equal(order, np.arange(len(order))):
        return data, place
    arrays = (place[data.first], place[data.second], data.outcome)
    return comparisons(arrays, items=[data.items[i] for i in order], weights=data.weight), place


def _in_order_of(data: Comparisons, fitted: Fit, place: NDArray[np.int64]) -> Fit:
    """The fit with everything back in the order of the caller's items, and read-only."""
    theta, error, spread = fitted.theta[place], fitted.standard_error[place], fitted.covariance
    if data.items != fitted.items:
        spread = spread[np.ix_(place, place)]
    for array in (theta, error, spread):
        array.flags.writeable = False
    return Fit(
        data.items, theta, spread, error, fitted.prior_sd, fitted.order_effect, fitted.order_effect_se,
        fitted.log_likelihood, fitted.method, data, fitted.tie_parameter, fitted.log_tie_parameter_se,
    )  # fmt: skip
