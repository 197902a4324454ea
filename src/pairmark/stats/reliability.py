"""How far the differences between scores can be trusted, by three named formulas.

The headline is `empirical_bayes`. Errors of single scores are in `fitted.Fit`; fit statistics of judges are not here.
"""

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit


def empirical_bayes(fit: Fit) -> float:
    """Share of the true scores' variance that the comparisons have settled, from 0 to 1: the headline.

    1 - mean posterior variance / prior variance, both under the sum-to-zero constraint; it estimates the squared
    correlation of scores with true scores. The posterior variance is that by the curvature at the mode: standard
    errors also count the doubt about the prior variance, which stands on both sides of this share. Unlike separation
    reliability it stays low when adaptive pairing makes coin tosses look consistent (Bramley & Vitello 2019).
    Needs a fit by the method "map".
    """
    if fit.prior_sd is None:
        raise StatsError(f"The empirical-Bayes reliability needs a fit by the method map, not {fit.method}.")
    n = len(fit.items)
    prior_variance = fit.prior_sd**2 * (n - 1) / n
    posterior_variance = fit.solution.curvature.variances()[:n]
    return float(np.clip(1 - np.mean(posterior_variance) / prior_variance, 0, 1))


def ssr(theta: Floats, standard_error: Floats) -> float:
    """Scale separation reliability 1 - 1 / G**2, at least 0: as `sirt` and No More Marking report it.

    G = SD(theta) / RMSE with the SD over n_items - 1. Too high when pairing was adaptive; name the formula wherever the
    number is shown, since `ssr_observed` is called SSR elsewhere.
    """
    observed, error = _variances(theta, standard_error)
    return max(1 - error / observed, 0.0) if observed > 0 else 0.0


def ssr_observed(theta: Floats, standard_error: Floats) -> float:
    """G**2 / (1 + G**2) with the observed SD: the other formula called SSR (Pollitt 2012; Kinnear et al. 2025).

    Never falls below one half on pure coin tosses; offered for comparison with published numbers only.
    """
    observed, error = _variances(theta, standard_error)
    return observed / (observed + error)


def _variances(theta: Floats, standard_error: Floats) -> tuple[float, float]:
    if len(theta) < 2 or np.shape(theta) != np.shape(standard_error) or not np.all(np.asarray(standard_error) > 0):
        raise StatsError("Reliability needs two or more scores, each with a standard error above 0.")
    return float(np.var(theta, ddof=1)), float(np.mean(np.square(standard_error)))
