"""Ties and order effect against R's psychotools (Davidson's model) and BradleyTerry2, on the votes of UKPConvArg1.

`data/r/record.R` made the recorded numbers of topic T31, `data/r/record_ties_and_order.R` those of ties and order effect at once on
both topics; `versions…txt` beside them say with which versions and when. psychotools' log-linear form of the model is ours: its
worths, centred, are theta, and its parameter of undecided votes is the log of nu. BradleyTerry2's tie parameter is the logit of the
chance of a tie between equals, ln(nu / 2), and its errors are those of scores against their mean, as ours.
"""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons

DATA = Path(__file__).parent / "data"
OUTCOMES = {"left": 1.0, "right": 0.0, "tie": 0.5}


def votes(topic="T31", *, decided_only=False):
    with (DATA / "ukpconvarg1" / "votes.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["topic"] == topic]
    kept = [row for row in rows if not decided_only or row["vote"] != "tie"]
    return comparisons([(row["left"], row["right"], OUTCOMES[row["vote"]]) for row in kept])


def recorded(name, **only):
    with (DATA / "r" / name).open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if all(row[key] == value for key, value in only.items())]
    return {row["parameter"].removeprefix("essay"): (float(row["value"]), float(row["se"])) for row in rows}


def log_likelihood(model, file="versions.txt"):
    return float(re.search(rf"{model} (-[\d.]+)", (DATA / "r" / file).read_text())[1])


def centred(items, theirs):
    scores = np.array([theirs.get(item, (0.0, 0.0))[0] for item in items])  # the reference item is 0
    return scores - scores.mean()


def test_ties_agree_with_psychotools():
    ours, theirs = fit(votes(), method="ml"), recorded("davidson.csv")
    np.testing.assert_allclose(ours.theta, centred(ours.items, theirs), atol=1e-9)
    log_nu, error = theirs["(undecided)"]
    assert np.log(ours.tie_parameter) == pytest.approx(log_nu, abs=1e-9)
    assert ours.log_tie_parameter_se == pytest.approx(error, abs=1e-7)
    assert ours.log_likelihood == pytest.approx(log_likelihood("davidson"), abs=1e-8)


def test_errors_with_ties_agree_with_psychotools():
    """Theirs are of differences to the last item: the same combination of ours."""
    ours, theirs = fit(votes(), method="ml"), recorded("davidson.csv")
    last = next(number for number, item in enumerate(ours.items) if item not in theirs)
    spread = ours.covariance
    errors = np.sqrt(np.diag(spread) + spread[last, last] - 2 * spread[:, last])
    expected = [theirs.get(item, (0.0, 0.0))[1] for item in ours.items]
    np.testing.assert_allclose(np.delete(errors, last), np.delete(expected, last), atol=1e-6)


@pytest.mark.parametrize("model", ["order", "plain"])
def test_decided_votes_agree_with_bradleyterry2(model):
    ours = fit(votes(decided_only=True), method="ml", order_effect=model == "order")
    theirs = recorded("order.csv", model=model)
    np.testing.assert_allclose(ours.theta, centred(ours.items, theirs), atol=1e-7)
    assert ours.log_likelihood == pytest.approx(log_likelihood(model), abs=1e-8)
    if model == "order":
        assert (ours.order_effect, ours.order_effect_se) == pytest.approx(theirs["first"], abs=1e-6)
    assert ours.tie_parameter is None


@pytest.mark.parametrize("topic", ["T24", "T31"])
def test_ties_and_order_effect_at_once_agree_with_bradleyterry2(topic):
    ours = fit(votes(topic), method="ml", order_effect=True)
    theirs = recorded("ties_and_order.csv", topic=topic)
    assert set(theirs) == {*ours.items, "(order)", "(tie)"}
    value, error = np.array([theirs[item] for item in ours.items]).T
    np.testing.assert_allclose(ours.theta, value, atol=1e-9)
    np.testing.assert_allclose(ours.standard_error, error, atol=1e-9)
    assert (ours.order_effect, ours.order_effect_se) == pytest.approx(theirs["(order)"], abs=1e-9)
    assert (np.log(ours.tie_parameter / 2), ours.log_tie_parameter_se) == pytest.approx(theirs["(tie)"], abs=1e-9)
    assert ours.log_likelihood == pytest.approx(log_likelihood(topic, "versions_ties_and_order.txt"), abs=1e-8)


def test_ties_as_half_wins_draw_scores_together():
    """The rate of ties is no reason to think the texts nearer to each other; half wins count it as one."""
    with_rate, half = fit(votes(), method="ml"), fit(votes(), method="ml", ties="half")
    assert half.tie_parameter is None
    assert half.theta.std() < 0.95 * with_rate.theta.std()
    assert np.corrcoef(half.theta, with_rate.theta)[0, 1] > 0.995
