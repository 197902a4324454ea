"""Two real sessions of Sangwin & Kinnear (2021), published with MIT licence, against published and recorded numbers.

`btm_estimates.csv` holds the published theta and standard errors, made with R's `sirt::btm` at epsilon .3. The separation
reliabilities .948 and .889 are published; the exact ML log-likelihoods and the full-covariance separation reliabilities
.9535 and .9050 (both belong to plain maximum likelihood) were recorded independently.
"""

import csv
from pathlib import Path

import choix
import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.reliability import empirical_bayes, ssr, ssr_observed

DATA = Path(__file__).parent / "data" / "sangwin2021"
SESSIONS = ["rigour", "insight"]


def table(name, dimension):
    with (DATA / name).open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["dimension"] == dimension]


def session(dimension):
    return comparisons([(row["Won"], row["Lost"], 1) for row in table("judgement_data.csv", dimension)])


def published(dimension):
    rows = table("btm_estimates.csv", dimension)
    return np.array([float(row["theta"]) for row in rows]), np.array([float(row["se"]) for row in rows])


@pytest.mark.parametrize(("dimension", "expected"), [("rigour", -177.6354), ("insight", -259.2516)])
def test_exact_maximum_of_the_likelihood(dimension, expected):
    assert fit(session(dimension), method="ml").log_likelihood == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("dimension", SESSIONS)
def test_maximum_likelihood_agrees_with_choix(dimension):
    data = session(dimension)
    winners = np.where(data.outcome == 1, data.first, data.second)
    losers = np.where(data.outcome == 1, data.second, data.first)
    games = list(zip(winners, losers, strict=True))
    theirs = choix.opt_pairwise(len(data.items), games, alpha=0, method="Newton-CG", tol=1e-12)
    np.testing.assert_allclose(fit(data, method="ml").theta, theirs - theirs.mean(), atol=1e-6)


@pytest.mark.parametrize("dimension", SESSIONS)
def test_sirt_scores_and_errors_are_the_published_ones_to_every_digit(dimension):
    """The start was recovered from insight alone by running the steps backwards; rigour had no part in that."""
    theta, error = published(dimension)
    ours = fit(session(dimension), method="sirt")
    np.testing.assert_allclose(ours.theta, theta, rtol=0, atol=1e-13)
    np.testing.assert_allclose(ours.standard_error, error, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dimension", "expected"), [("rigour", 0.948), ("insight", 0.889)])
def test_published_separation_reliability(dimension, expected):
    ours = fit(session(dimension), method="sirt")
    assert round(ssr(ours.theta, ours.standard_error), 3) == expected


@pytest.mark.parametrize(("dimension", "expected"), [("rigour", 0.9535), ("insight", 0.9050)])
def test_separation_reliability_with_full_covariance_of_maximum_likelihood(dimension, expected):
    ours = fit(session(dimension), method="ml")
    assert round(ssr(ours.theta, ours.standard_error), 4) == expected


@pytest.mark.parametrize("dimension", SESSIONS)
def test_the_two_formulas_called_ssr_differ_and_are_linked(dimension):
    ours = fit(session(dimension), method="ml")
    ratio = np.var(ours.theta, ddof=1) / np.mean(ours.standard_error**2)
    assert ssr(ours.theta, ours.standard_error) == pytest.approx(1 - 1 / ratio)
    assert ssr_observed(ours.theta, ours.standard_error) == pytest.approx(ratio / (1 + ratio))


@pytest.mark.parametrize("dimension", SESSIONS)
def test_the_prior_draws_scores_in_and_reliability_stays_near_the_separation_reliability(dimension):
    data = session(dimension)
    likelihood, posterior = fit(data, method="ml"), fit(data)
    assert posterior.theta.std() < likelihood.theta.std()
    assert np.corrcoef(posterior.theta, likelihood.theta)[0, 1] > 0.99
    assert empirical_bayes(posterior) == pytest.approx(ssr(likelihood.theta, likelihood.standard_error), abs=0.02)
