"""Move a new batch onto an earlier scale by the essays that both have.

Both scales are in logits, each with its own zero, so one shift links them; common essays that drifted are told apart
from error. The fit of the new batch draws scores towards its own mean; for common essays that is taken out first, since
on the earlier scale they need not lie about that mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pairmark.stats.arrays import Floats, Ints
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit
from pairmark.stats.stretch import Stretch, shared

MOVED = 3.0  # standard errors beyond which a common essay is told to have moved


@dataclass(frozen=True, eq=False)
class Linked:
    """The new batch on the earlier scale.

    `theta`, `standard_error`, `covariance`: of all essays of the new fit, with what the earlier scale knew of the common
    ones; `shift` and `shift_se`: earlier minus new; `drift_sd`: SD in logits by which common essays moved beyond error;
    `z`: by how many standard errors each common essay moved, shape (n_common,); `stretch`: what all scores share of their
    errors.
    """

    theta: Floats
    standard_error: Floats
    covariance: Floats
    shift: float
    shift_se: float
    drift_sd: float
    z: Floats
    stretch: Stretch


def link(new: Fit, common: ArrayLike, theta: ArrayLike, standard_error: ArrayLike) -> Linked:
    """Put the scores of `new` (method "map") on an earlier scale.

    Parameters
    ----------
    new
        Fit of the new batch.
    common
        Indices of the common essays in `new`, shape (n_common,), two or more.
    theta, standard_error
        Their scores and errors on the earlier scale.

    Notes
    -----
    Generalised least squares for the shift; the drift variance by the moments of DerSimonian & Laird (1986). The earlier
    scores count as independent of each other, as their table says no more about them.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> new = fit(comparisons([("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0), ("bela", "anna", 1)] * 5))
    >>> linked = link(new, common=[0, 1], theta=[2.5, 2.0], standard_error=[0.3, 0.3])
    >>> round(linked.theta.mean() - new.theta.mean(), 1) == round(linked.shift, 1)
    np.True_
    """
    place = np.asarray(common, dtype=np.int64)
    old, error = np.asarray(theta, dtype=np.float64), np.asarray(standard_error, dtype=np.float64)
    _check(new, place, old, error)
    free, spread = _without_pull(new, place)
    difference = old - free[place]
    noise = spread[np.ix_(place, place)] + np.diag(error**2)
    drift = _drift(difference, noise)
    total = noise + drift * np.eye(len(place))
    inverse = np.linalg.inv(total)
    precision = float(inverse.sum())
    shift = float(inverse.sum(axis=0) @ difference) / precision
    residual = difference - shift
    leverage = np.diag(total) - 1 / precision
    z = residual / np.sqrt(np.maximum(leverage, 1e-12))
    gain = spread[:, place] @ inverse
    moved = free + shift + gain @ residual
    loose = np.ones(len(free)) - gain.sum(axis=1)
    covariance = spread - gain @ spread[place] + np.outer(loose, loose) / precision
    variance = np.maximum(np.diag(covariance), 0)
    together = shared(moved, variance, covariance @ (moved - moved.mean()), np.zeros(len(moved)))
    return Linked(moved, np.sqrt(variance), covariance, shift, precision**-0.5, drift**0.5, z, together)


def _check(new: Fit, common: Ints, theta: Floats, error: Floats) -> None:
    if new.prior_sd is None:
        raise StatsError(f"Linking needs a fit by the method map, not {new.method}.")
    if len(common) < 2 or common.shape != theta.shape or theta.shape != error.shape:
        raise StatsError("Linking needs two or more common essays, each with an earlier score and its error.")
    if not np.isfinite(theta).all() or not np.all(error > 0) or not np.isfinite(error).all():
        raise StatsError("Earlier scores must be finite, and their errors finite and above 0.")
    if common.min() < 0 or common.max() >= len(new.items) or len(set(common.tolist())) < len(common):
        raise StatsError("The common essays are not different essays of the new batch.")


def _without_pull(new: Fit, common: Ints) -> tuple[Floats, Floats]:
    """Scores and covariance of the new batch with the prior taken off the common essays.

    The posterior precision loses 1 / prior variance there; the information vector stays, since the prior's mean is 0.
    All happens in the space of scores that sum to 0.
    """
    assert new.prior_sd is not None
    n = len(new.items)
    even = np.full((n, n), 1 / n)
    precision = np.linalg.inv(new.mode_covariance + even) - even
    target = precision @ new.theta
    pull = np.zeros(n)
    pull[common] = new.prior_sd**-2
    centre = np.eye(n) - even
    freed = precision - centre @ np.diag(pull) @ centre
    covariance = np.linalg.inv(freed + even) - even
    return np.asarray(covariance @ target), np.asarray((covariance + covariance.T) / 2)


def _drift(difference: Floats, noise: Floats) -> float:
    """Variance of true differences beyond their errors, 0 or more."""
    weight = np.linalg.inv(noise)
    total = float(weight.sum())
    residual = difference - float(weight.sum(axis=0) @ difference) / total
    excess = float(residual @ weight @ residual) - (len(difference) - 1)
    scale = float(np.trace(weight)) - float((weight @ weight).sum()) / total
    return max(excess / scale, 0.0)
