"""How far the differences between scores can be trusted, by three named formulas.

The headline is `empirical_bayes`. Errors of single scores are in `fitted.Fit`; fit statistics of judges are not here.
"""

from dataclasses import dataclass

import numpy as np

from pairmark.stats.arrays import Floats
from pairmark.stats.errors import StatsError
from pairmark.stats.fitted import Fit

CLOSE, ENOUGH = 0.85, 20  # of the mean squared distance of blind pairs, which gave 0.99 to 1.07 in simulation; items
ADAPTIVE = (
    "Pairs are closer in score than pairs chosen blindly, so pairing was probably adaptive; that inflates both SSR figures. "
    "The headline reliability is not affected."
)


@dataclass(frozen=True)
class Reliability:
    """All figures that go by this name, each with its formula.

    `headline`: `empirical_bayes` (None without the method "map"). `ssr`: 1 - 1/G**2, as sirt and No More Marking print
    it. `ssr_observed`: G**2/(1 + G**2), which others call SSR. `looks_adaptive`: see `looks_adaptive`.
    """

    headline: float | None
    ssr: float
    ssr_observed: float
    looks_adaptive: bool

    @property
    def warning(self) -> str:
        """The sentence to show beside the SSR figures; empty if there is nothing to warn of."""
        return ADAPTIVE if self.looks_adaptive else ""

    def __repr__(self) -> str:
        headline = "none" if self.headline is None else f"{self.headline:.2f}"
        figures = f"SSR {self.ssr:.2f} (1 - 1/G**2) or {self.ssr_observed:.2f} (G**2/(1 + G**2))"
        return " ".join(filter(None, [f"<Reliability {headline} (empirical Bayes); {figures}.", self.warning])) + ">"


def all_figures(fit: Fit) -> Reliability:
    """The headline, both SSR figures and whether pairing looks adaptive."""
    headline = None if fit.prior_sd is None else empirical_bayes(fit)
    figures = ssr(fit.theta, fit.standard_error), ssr_observed(fit.theta, fit.standard_error)
    return Reliability(headline, *figures, looks_adaptive(fit))


def looks_adaptive(fit: Fit) -> bool:
    """Whether compared items lie clearly closer together than items at large: their mean squared distance says so.

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> looks_adaptive(fit(comparisons([("anna", "bela", 1), ("bela", "cleo", 1)])))  # too few to tell
    False
    """
    pairs, n = fit.comparisons.pairs, len(fit.items)
    if n < ENOUGH:
        return False
    apart = np.average((fit.theta[pairs.first] - fit.theta[pairs.second]) ** 2, weights=pairs.weight)
    return float(apart) < CLOSE * 2 * float(np.var(fit.theta)) * n / (n - 1)


def empirical_bayes(fit: Fit) -> float:
    """Share of the true scores' variance that the comparisons have settled, from 0 to 1: the headline.

    1 - mean posterior variance / prior variance, both under the sum-to-zero constraint; it estimates the squared
    correlation of scores with true scores. The posterior variance is that by the curvature at the mode: standard
    errors also count the doubt about the prior variance, which stands on both sides of this share. Unlike separation
    reliability it stays low when adaptive pairing makes coin tosses look consistent (Bramley & Vitello 2019).
    Needs a fit by the method "map".

    Examples
    --------
    >>> from pairmark.stats import comparisons, fit
    >>> votes = [("anna", "bela", 1), ("bela", "cleo", 1), ("cleo", "anna", 0)] * 20
    >>> round(empirical_bayes(fit(comparisons(votes))), 1)
    0.9
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

    Examples
    --------
    >>> ssr(np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5]))
    0.75
    """
    observed, error = _variances(theta, standard_error)
    return max(1 - error / observed, 0.0) if observed > 0 else 0.0


def ssr_observed(theta: Floats, standard_error: Floats) -> float:
    """G**2 / (1 + G**2) with the observed SD: the other formula called SSR (Pollitt 2012; Kinnear et al. 2025).

    Never falls below one half on pure coin tosses; offered for comparison with published numbers only.

    Examples
    --------
    >>> ssr_observed(np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5]))
    0.8
    """
    observed, error = _variances(theta, standard_error)
    return observed / (observed + error)


def _variances(theta: Floats, standard_error: Floats) -> tuple[float, float]:
    if len(theta) < 2 or np.shape(theta) != np.shape(standard_error) or not np.all(np.asarray(standard_error) > 0):
        raise StatsError("Reliability needs two or more scores, each with a standard error above 0.")
    return float(np.var(theta, ddof=1)), float(np.mean(np.square(standard_error)))
