"""How well the judgements of a judge, or those about an essay, fit the scale: infit and outfit with simulated bands.

Infit is the sum of squared residuals over the sum of their variances, outfit the mean squared standardised residual
(Wright & Masters 1982; for comparisons Pollitt 2012); both are about 1 where the model holds, large where judgements
contradict the scale. How far from 1 chance alone takes them depends on which pairs were met, so bands and p-values come
from simulated judgements of the same pairs. What to do about a judge is in `screening`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.canonical import rows_as_tally, with_sorted_rows
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.davidson import Chances, chances
from pairmark.stats.display import Columns
from pairmark.stats.errors import StatsError, check_count
from pairmark.stats.fitted import Fit
from pairmark.stats.posterior import Model, logits

SIMULATIONS = 400
SEED = 515
CELLS = 2_000_000  # rows times simulations done at once, which bounds the memory


@dataclass(frozen=True, eq=False, repr=False)
class Misfit(Columns):
    """Fit statistics of each of `ids`; shape (len(ids),) each, NaN for those without comparisons.

    `infit_low` and `infit_high` are the ends of the band that holds 95 % of simulated values, `infit_p` the share of
    simulations with an infit at least as large (never 0); the same for outfit. They are None if nothing was simulated.
    """

    ids: tuple[str, ...]
    comparisons: Floats
    infit: Floats
    outfit: Floats
    infit_low: Floats | None = None
    infit_high: Floats | None = None
    infit_p: Floats | None = None
    outfit_low: Floats | None = None
    outfit_high: Floats | None = None
    outfit_p: Floats | None = None


def judge_misfit(fit: Fit, simulations: int = SIMULATIONS) -> Misfit:
    """Infit and outfit of every judge, in the order of `comparisons.judges`.

    `simulations` may be 0, which leaves out bands and p-values.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 10
    >>> data = comparisons(votes + [("bela", "anna", 1)] * 5, judges=["kim"] * 30 + ["lou"] * 5)
    >>> found = judge_misfit(fit(data))
    >>> (found.infit > found.infit_high).tolist()
    [False, True]
    """
    if fit.comparisons.judge is None:
        raise StatsError("The fit of judges needs comparisons that say who judged them.")
    rows = with_sorted_rows(fit.comparisons)
    assert rows.judge is not None
    member = _members([rows.judge], rows.weight, len(rows.judges))
    return _misfit(fit, rows, member, rows.judges, simulations)


def essay_misfit(fit: Fit, simulations: int = SIMULATIONS) -> Misfit:
    """Infit and outfit of every essay, in the order of `items`.

    `simulations` may be 0, which leaves out bands and p-values.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 10
    >>> found = essay_misfit(fit(comparisons(votes)))
    >>> found.ids, (found.infit_low < 1).all()
    (('anna', 'bela', 'cleo'), np.True_)
    """
    rows = with_sorted_rows(fit.comparisons)
    member = _members([fit.place.argsort()[rows.first], fit.place.argsort()[rows.second]], rows.weight, len(fit.items))
    return _misfit(fit, rows, member, fit.items, simulations)


def row_model(fit: Fit, rows: Comparisons) -> Model:
    """The model of the fit with every comparison as a row of its own."""
    model = fit.solution.model
    return replace(model, tally=rows_as_tally(rows, rows.weight, by_judge=model.n_orders == len(rows.judges) > 0))


def _misfit(fit: Fit, rows: Comparisons, member: Any, ids: tuple[str, ...], simulations: int) -> Misfit:
    check_count(simulations, 0, "simulations")
    model = row_model(fit, rows)
    count = member @ np.ones(len(rows))
    infit, outfit = _statistics(member, count, rows.outcome, _chances(model, fit.solution.point))
    plain = Misfit(ids, count, infit, outfit)
    if simulations == 0:
        return plain
    if fit.method == "sirt":
        raise StatsError("The method sirt has no simulated bands; ask for 0 simulations or fit with map or ml.")
    pieces = [_statistics(member, count, *one) for one in _simulated(fit, model, simulations)]
    infits, outfits = (np.concatenate([piece[k] for piece in pieces], axis=1) for k in (0, 1))
    return replace(
        plain,
        infit_low=_tail(infits, 0.025), infit_high=_tail(infits, 0.975), infit_p=_share(infits, infit),
        outfit_low=_tail(outfits, 0.025), outfit_high=_tail(outfits, 0.975), outfit_p=_share(outfits, outfit),
    )  # fmt: skip


def _members(groups: list[Ints], weight: Floats, n_groups: int) -> Any:
    """Sparse (n_groups, n_rows): the weight of each row in the groups it belongs to."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    place = (np.concatenate(groups), np.tile(np.arange(len(weight)), len(groups)))
    return csr_array((np.tile(weight, len(groups)), place), shape=(n_groups, len(weight)))


def _chances(model: Model, point: Floats) -> Chances:
    return chances(logits(model, point), point[-1] if model.ties else None)


def _statistics(member: Any, count: Floats, outcome: Floats, at: Chances) -> tuple[Floats, Floats]:
    """Infit and outfit of every group; one column per simulation if the rows have columns."""
    squared = (outcome - 0.5 - at.mean) ** 2
    variance = np.maximum(at.variance, 1e-12)
    weight = count if squared.ndim == 1 else count[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (member @ squared) / (member @ variance), (member @ (squared / variance)) / weight


def _simulated(fit: Fit, model: Model, simulations: int) -> Iterator[tuple[Floats, Chances]]:
    """Outcomes and their chances as refitted, for true scores drawn from the posterior; in blocks of simulations.

    The refit is one Newton step from the drawn truth with the covariance of the fit: residuals shrink as those of the
    fit did, because it has seen the outcomes it is compared with.
    """
    truths = fit.solution.point[:, None] + fit.solution.draws(simulations, SEED)
    width = max(1, CELLS // len(model.tally.first))
    for begin in range(0, simulations, width):
        truth = truths[:, begin : begin + width]
        at = _chances(model, truth)
        outcome = at.draw(np.random.default_rng([SEED, begin]))
        slope = _slope(model, fit.solution.precision, truth, outcome, at)
        yield outcome, _chances(model, truth + fit.solution.curvature.times(slope))


def _slope(model: Model, precision: float, point: Floats, outcome: Floats, at: Chances) -> Floats:
    """Derivative of the log posterior for several outcomes at several points, shape (size, k)."""
    rows, n = model.tally, model.n_items
    residual = outcome - 0.5 - at.mean
    slope = np.empty_like(point)
    ends = _members([rows.first], rows.weight, n) - _members([rows.second], rows.weight, n)
    slope[:n] = ends @ residual - precision * point[:n]
    slope[n:] = -model.extra_precision @ point[n:]
    if model.n_orders:
        slope[n : n + model.n_orders] += _members([rows.group], rows.weight, model.n_orders) @ residual
    if at.tie is not None:
        slope[-1] += np.einsum("r,rk->k", rows.weight, (outcome == 0.5) - at.tie)
    return slope


def _tail(simulated: Floats, share: float) -> Floats:
    return np.asarray(np.quantile(simulated, share, axis=1))


def _share(simulated: Floats, observed: Floats) -> Floats:
    """Share of simulations at least as large, the observed one counted among them (Davison & Hinkley 1997)."""
    return np.asarray((1 + np.sum(simulated >= observed[:, None], axis=1)) / (1 + simulated.shape[1]))
