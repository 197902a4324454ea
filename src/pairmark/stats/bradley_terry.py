"""Fit Bradley-Terry scores to comparisons: the public door of estimation.

P(i beats j) = 1 / (1 + exp(theta_j - theta_i)) (Bradley & Terry 1952, Biometrika 39). The mathematics of one method
each is in `davidson` (one comparison), `posterior` (slope and curvature), `newton` (the mode), `prior` (SD of the prior),
`spread` (errors) and `sirt`; the result is `fitted.Fit`.
"""

from typing import Literal

import numpy as np

from pairmark.stats import sirt
from pairmark.stats.arrays import Floats
from pairmark.stats.canonical import sorted_items, with_sorted_items
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.connectivity import joining
from pairmark.stats.errors import NoFiniteEstimateError, StatsError, UnconnectedError
from pairmark.stats.fitted import Fit, Method, TieRule
from pairmark.stats.newton import mode
from pairmark.stats.posterior import Model
from pairmark.stats.prior import estimate
from pairmark.stats.solution import Solution
from pairmark.stats.spread import Itemwise
from pairmark.stats.starts import begin

__all__ = ["Fit", "Method", "TieRule", "fit"]


ORDER_SD = 2.5  # logits; prior SD of the order effect: weak, one SD is a first-seat share of .92 between equal texts
JUDGE_ORDER_SD = 1.0  # logits; prior SD of how far the order effect of one judge lies from that of all
LEAST_SD, MOST_SD = 1e-6, 1e6  # logits; prior SDs that can be reckoned with
PLANNING_SD = 2.2  # logits; SD of the prior while there is no scale yet
TIE_SD = 2.0  # prior SD of log nu; one SD either way is a chance of ties between equal texts of .06 to .79


def fit(
    data: Comparisons,
    *,
    method: Method = "map",
    order_effect: bool | Literal["judge"] = False,
    ties: TieRule = "davidson",
    prior_sd: float | None = None,
    start: Floats | Fit | None = None,
    start_sd: float | None = None,
) -> Fit:
    """Estimate scores and their full covariance.

    Parameters
    ----------
    data
        From `comparisons()`.
    method
        "map": normal prior with its SD estimated from the data; always finite. "ml": plain maximum likelihood.
        "sirt": as R's `sirt::btm` publishes them (`fix.eta=0`, no ties), to reproduce published numbers only.
    order_effect
        Also estimate the advantage of the text shown first: True one for all, "judge" one for each judge.
    ties
        "davidson": with ties in the data their frequency is a parameter of the model (Davidson 1970). "half": a tie counts
        as half a win for each side, as older programs have it; always so with the method "sirt".
    prior_sd
        A known SD of the prior in logits instead of the estimated one ("map" only).
    start
        Scores to start from, shape (n_items,), or an earlier fit, such as one of fewer comparisons or essays; saves time
        only, results agree within 1e-6. "sirt" has its own.
    start_sd
        Prior SD to start the search from; saves time only, too. Without it that of an earlier fit.

    Raises
    ------
    UnconnectedError
        Groups of items have no comparison between them.
    NoFiniteEstimateError
        "ml" on data whose likelihood has no finite maximum.
    StatsError
        Options that do not go together.

    Notes
    -----
    The same rows in any order give the same bits if BLAS runs on one thread (`threads.one_blas_thread`). Time and memory
    grow with the comparisons, not with n_items**2; standard errors are computed when they are asked for.

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 5 + [("bela", "anna", 1)]
    >>> scores = fit(comparisons(votes))
    >>> scores.items, scores.ranks().tolist()
    (('anna', 'bela', 'cleo'), [1, 2, 3])
    >>> scores.probability("anna", "cleo") > scores.probability("bela", "cleo")
    True
    """
    if not isinstance(data, Comparisons):
        raise StatsError("Scores are estimated from what comparisons() or from_columns() made.")
    if start is not None and not isinstance(start, Fit):
        start = _scores(start, len(data.items))
    _check(data, method, order_effect, ties, prior_sd)
    order, place = sorted_items(data.items)
    sorted_data = data if order is None else with_sorted_items(data, order, place)
    _check_finite(sorted_data, method, order_effect, ties)
    if start is not None and not isinstance(start, Fit) and order is not None:
        start = start[order]
    if method == "sirt":
        model, sd = _model(sorted_data, "ml", False, "half"), None
        theta, error = sirt.published(sorted_data)
        solution = Solution(model, theta, 0.0, Itemwise(error**2))
    else:
        model = _model(sorted_data, method, order_effect, ties)
        solution, sd = _solve(model, sorted_data, method, prior_sd, start, start_sd)
    theta = solution.point[: len(place)][place]
    for array in (theta, solution.point):
        array.flags.writeable = False
    return Fit(data.items, theta, sd, method, data, solution, place)


def provisional(data: Comparisons) -> Floats:
    """Scores in logits to plan by while groups of items have no comparison between them; no scale to report.

    The mode under a normal prior of SD `PLANNING_SD`: where nothing joins two groups, the prior says how they lie. A tie counts
    half, and the order plays no part. Shape (n_items,).

    Examples
    --------
    >>> from pairmark.stats import comparisons
    >>> provisional(comparisons([("a", "b", 1), ("c", "d", 1)])).round(2).tolist()  # a and c won, b and d lost
    [0.81, -0.81, 0.81, -0.81]
    """
    order, place = sorted_items(data.items)
    rows = data if order is None else with_sorted_items(data, order, place)
    model = _model(rows, "map", False, "half")
    return np.asarray(mode(model, np.zeros(model.size), PLANNING_SD**-2)[place])


def _check(
    data: Comparisons,
    method: Method,
    order_effect: bool | str,
    ties: TieRule,
    prior_sd: float | None,
) -> None:
    if method not in ("map", "ml", "sirt"):
        raise StatsError(f"The method {method!r} is not one of map, ml and sirt.")
    if ties not in ("davidson", "half"):
        raise StatsError(f"The rule {ties!r} for ties is not one of davidson and half.")
    if prior_sd is not None and (method != "map" or not LEAST_SD <= prior_sd <= MOST_SD):
        raise StatsError(
            f"A prior SD ({prior_sd}) must lie between {LEAST_SD:g} and {MOST_SD:g}, and belongs to the method map."
        )
    if order_effect and method == "sirt":
        raise StatsError("The method sirt has no order effect here; use map or ml.")
    if order_effect not in (False, True, "judge"):
        raise StatsError(f"The option order_effect={order_effect!r} is not one of True, False and 'judge'.")
    if order_effect and not data.seats:
        raise StatsError("An order effect needs comparisons that say which text was shown first.")
    if order_effect == "judge" and data.judge is None:
        raise StatsError("An order effect for each judge needs comparisons that say who judged them.")


def _scores(start: object, n_items: int) -> Floats:
    """Scores to start from as an array."""
    try:
        scores = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.full(0, np.nan)
    if scores.shape != (n_items,) or not np.isfinite(scores).all():
        raise StatsError(f"`start` must hold one finite score for each of the {n_items} items.")
    return scores


def _check_finite(data: Comparisons, method: Method, order_effect: bool | str, ties: TieRule) -> None:
    groups = data.groups()
    if len(groups) > 1:
        counts = dict(zip(data.items, data.appearances.tolist(), strict=True))
        raise UnconnectedError(groups, joining(groups, counts))
    if method != "ml":
        return
    if not data.strongly_connected:
        raise NoFiniteEstimateError(_why_infinite(data))
    if ties == "davidson" and (data.pairs.tied == data.pairs.weight).all():
        raise NoFiniteEstimateError(
            "Every comparison is a tie, so maximum likelihood has no finite answer; use the method map."
        )
    if order_effect:
        rows = data.judged_pairs if order_effect == "judge" else data.ordered_pairs
        won, all_of_it = np.bincount(rows.group, rows.won), np.bincount(rows.group, rows.weight)
        extreme = np.flatnonzero((all_of_it > 0) & ((won == 0) | (won == all_of_it)))
        if len(extreme):
            who = f"for the judge {data.judges[extreme[0]]}" if order_effect == "judge" else "here"
            raise NoFiniteEstimateError(
                f"Maximum likelihood has no finite order effect {who}, because one seat always won; use the method map."
            )


def _why_infinite(data: Comparisons) -> str:
    extreme = [*data.all_won(), *data.all_lost()]
    reason = f"{', '.join(extreme[:5])} won or lost everything" if extreme else "some items never lost to the others"
    return f"Maximum likelihood has no finite scores here, because {reason}; use the method map."


def _model(data: Comparisons, method: Method, order_effect: bool | str, ties: TieRule) -> Model:
    """The parameters and their priors: order effects of judges vary around one of all, log nu around 0."""
    orders = len(data.judges) if order_effect == "judge" else int(bool(order_effect))
    tied = ties == "davidson" and data.has_ties
    rows = data.judged_pairs if order_effect == "judge" else data.ordered_pairs if orders else data.pairs
    precision = np.zeros((orders + tied, orders + tied))
    if method == "map":
        spread = np.full((orders, orders), ORDER_SD**2)
        if order_effect == "judge":
            spread += JUDGE_ORDER_SD**2 * np.eye(orders)
        if orders:
            precision[:orders, :orders] = np.linalg.inv(spread)
        precision[orders:, orders:] = TIE_SD**-2
    return Model(len(data.items), rows, orders, tied, precision)


def _solve(
    model: Model,
    data: Comparisons,
    method: Method,
    prior_sd: float | None,
    start: Floats | Fit | None,
    start_sd: float | None,
) -> tuple[Solution, float | None]:
    """The mode, with the SD of the prior where there is one; from the beginning if a start led nowhere."""
    if start is not None or start_sd is not None:
        try:
            return _solved(model, data, method, prior_sd, start, start_sd)
        except StatsError:
            pass
    return _solved(model, data, method, prior_sd, None, None)


def _solved(
    model: Model,
    data: Comparisons,
    method: Method,
    prior_sd: float | None,
    start: Floats | Fit | None,
    start_sd: float | None,
) -> tuple[Solution, float | None]:
    known_sd = prior_sd or start_sd
    if method == "ml" or prior_sd is not None:
        precision = 0.0 if prior_sd is None else prior_sd**-2
        point = mode(model, begin(model, data, start, known_sd).point, precision)
        return Solution(model, point, precision, averaged=method == "map"), prior_sd
    first = begin(model, data, start, known_sd)
    found = estimate(model, first.point, first.sd, first.earlier)
    solution = Solution(model, found.point, found.sd**-2, information=found.information, averaged=True, settled=found)
    return solution, found.sd
