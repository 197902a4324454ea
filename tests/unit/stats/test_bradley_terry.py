"""Starts that say nothing: the fit must settle from any of them."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons

CIRCLE = [("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)]


@pytest.mark.parametrize("scale", [0.0, 1e-24, 1e-9, 1.0])
@pytest.mark.parametrize("rounds", [1, 3])
def test_circular_votes_settle_from_any_start(scale, rounds):
    result = fit(comparisons(CIRCLE * rounds), start=np.array([scale, -scale, 0.0]))
    assert np.allclose(result.theta, 0, atol=1e-6)
    assert (result.standard_error > 0).all()
