"""`pairmark score --compatible sirt` against the published numbers of Sangwin & Kinnear (2021): every published digit."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pairmark.scoring import Options, score

DATA = Path(__file__).parent / "data" / "sangwin2021"


@pytest.mark.parametrize(("dimension", "ssr"), [("rigour", 0.948), ("insight", 0.889)])
def test_published_scores_errors_and_reliability_are_reproduced(dimension, ssr):
    with (DATA / "btm_estimates.csv").open(newline="") as lines:
        published = [row for row in csv.DictReader(lines) if row["dimension"] == dimension]
    options = Options(where=[("dimension", dimension)], compatible="sirt")
    result = score(DATA / "judgement_data.csv", options=options)
    ours = sorted(result.essays, key=lambda essay: essay.essay_id)
    theta, error = ([float(row[name]) for row in published] for name in ("theta", "se"))
    np.testing.assert_allclose([essay.theta for essay in ours], theta, rtol=0, atol=1e-13)
    np.testing.assert_allclose([essay.standard_error for essay in ours], error, rtol=0, atol=1e-12)
    assert round(result.ssr, 3) == ssr
