"""The reliability diagram on statements that come true as often as they say, and on boasts."""

import numpy as np
import pytest

from pairmark.stats.calibration import reliability_diagram
from pairmark.stats.errors import StatsError
from support.graded import diagram


def test_true_probabilities_have_a_small_error_and_boasts_a_large_one():
    draw = np.random.default_rng(1)
    chance = draw.random(20_000)
    happened = draw.random(20_000) < chance
    assert reliability_diagram(chance, happened).expected_calibration_error < 0.015
    assert reliability_diagram(np.where(chance > 0.5, 1.0, 0.0), happened).expected_calibration_error > 0.2


def test_bins_hold_every_statement_once():
    diagram = reliability_diagram([0.0, 0.05, 0.95, 1.0], [0, 0, 1, 1])
    assert diagram.count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert diagram.stated[[0, 9]].tolist() == [0.025, 0.975]
    assert diagram.observed[[0, 9]].tolist() == [0, 1]
    assert np.isnan(diagram.stated[1:9]).all()


@pytest.mark.parametrize(("stated", "happened"), [([], []), ([1.2], [1]), ([0.5], [1, 0])])
def test_what_is_no_probability_is_refused(stated, happened):
    with pytest.raises(StatsError):
        reliability_diagram(stated, happened)


def test_the_diagram_holds_its_table_without_empty_bins():
    found = reliability_diagram([0.05, 0.95, 0.92], [0, 1, 0])
    spec = diagram(found)
    table = [{"stated": 0.05, "observed": 0.0, "statements": 1}, {"stated": 0.935, "observed": 0.5, "statements": 2}]
    assert spec["data"]["values"] == [pytest.approx(row) for row in table]
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
