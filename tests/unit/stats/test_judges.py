"""What is said of judges: counts a person can check by hand, and a screening that finds planted judges."""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.consensus import consensus
from pairmark.stats.errors import BadComparisonsError, StatsError
from pairmark.stats.judges import judge_summary
from pairmark.stats.screening import screen
from support.panels import panel
from support.sizes import size

ROWS = [
    ("a", "b", 1, "ann", 10.0), ("b", "a", 0, "ann", 30.0), ("b", "c", 1, "ann", None), ("c", "b", 1, "ann", 20.0),
    ("a", "b", 1, "bob", 4.0), ("b", "c", 1, "bob", 6.0), ("a", "c", 1, "bob", None), ("c", "a", 0.5, "bob", None),
    ("a", "c", 1, "eve", None), ("b", "c", 1, "eve", None), ("a", "b", 1, "eve", None),
]  # fmt: skip


def told(rows=ROWS, **more):
    return comparisons(
        [row[:3] for row in rows], judges=[row[3] for row in rows], seconds=[row[4] for row in rows], **more
    )


def test_numbers_that_can_be_counted_by_hand():
    found = judge_summary(fit(told()))
    assert found.ids == ("ann", "bob", "eve")
    assert found.comparisons.tolist() == [4, 4, 3]
    assert found.agreement.tolist() == [0.75, 1.0, 1.0]  # ann preferred c to b once; a tie is not counted
    assert found.first_share.tolist() == [0.75, 0.875, 1.0]
    assert found.both_orders.tolist() == [2, 1, 0]
    assert found.flip_rate[:2].tolist() == [0.5, 0.5]  # ann: a-b kept, b-c turned; bob: a win against a tie
    assert np.isnan(found.flip_rate[2])
    assert found.median_seconds[:2].tolist() == [20.0, 5.0]
    assert np.isnan(found.median_seconds[2])


def test_the_consensus_is_made_without_the_judge():
    """The difference is that of a fit, with the same prior, to the rows of all others."""
    data, _ = panel(judges=5, decisions=30, essays=12, seed=3)
    whole = fit(data)
    others = consensus(whole)
    for judge in range(5):
        rest = fit(data.only(data.judge != judge), prior_sd=whole.prior_sd)
        mine = np.lexsort((data.outcome, data.judge, data.second, data.first))
        mine = mine[data.judge[mine] == judge]
        expected = rest.theta[data.first[mine]] - rest.theta[data.second[mine]]
        np.testing.assert_allclose(others.difference[others.judge == judge], expected, atol=1e-3)


def test_judges_like_the_others_agree_as_often_as_expected():
    data, _ = panel(judges=20, decisions=size(100, 1000), essays=40, seed=4)
    found = judge_summary(fit(data))
    assert found.agreement.mean() == pytest.approx(found.expected_agreement.mean(), abs=size(0.03, 0.01))


def shares_found(kind, seeds):
    hits, alarms, named = [], [], []
    for seed in seeds:
        data, _ = panel(planted=3, kind=kind, seed=seed)
        finding = screen(fit(data)).finding
        hits += [name != "consensus" for name in finding[:3]]
        alarms += [name != "consensus" for name in finding[3:]]
        named += [name == kind for name in finding[:3]]
    return np.mean(hits), np.mean(alarms), np.mean(named)


def test_three_random_judges_of_thirty_are_found_with_twenty_decisions_each():
    found, alarms, named = shares_found("random", range(size(15, 200)))
    assert found >= 0.9
    assert alarms <= 0.05
    assert named >= 0.75


def test_dissenting_judges_are_told_from_random_ones():
    found, alarms, named = shares_found("dissenting", range(size(8, 100)))
    assert found >= 0.95
    assert alarms <= 0.05
    assert named >= 0.9


def test_a_panel_of_sound_judges_raises_few_alarms_and_a_favourite_seat_is_named():
    assert shares_found("one seat", range(size(5, 50)))[2] >= 0.8
    sound = [screen(fit(panel(seed=seed)[0])).p for seed in range(size(10, 100))]
    assert np.mean(np.concatenate(sound) <= 0.05) <= 0.05


def test_the_order_of_rows_does_not_matter():
    data, _ = panel(judges=6, decisions=20, essays=20, planted=1, seed=5)
    turned = data.only(np.random.default_rng(1).permutation(len(data)))
    one, other = (screen(fit(each)) for each in (data, turned))
    assert one.p.tobytes() == other.p.tobytes()
    assert one.log_likelihood.tobytes() == other.log_likelihood.tobytes()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"judges": ["x"]}, "There are 2 comparisons but 1 judges"),
        ({"judges": ["x", 7]}, "Row 2: the judge 7 is not a text id"),
        ({"judge_weights": {"x": 1}}, "weight for the judge 'x', who judged nothing here"),
        ({"judges": ["x", "y"], "judge_weights": {"z": 1}}, "weight for the judge 'z', who judged nothing here"),
        ({"judges": ["x", "y"], "judge_weights": {"x": -1}}, "The weight -1 of the judge 'x'"),
        ({"seconds": [1.0]}, "There are 2 comparisons but 1 times"),
        ({"seconds": [1.0, float("nan")]}, "Row 2: the time nan is not a finite number of seconds"),
        ({"seconds": [-1.0, None]}, "Row 1: the time -1.0 is not a finite number of seconds"),
    ],
)
def test_columns_that_make_no_sense_are_refused(more, sentence):
    with pytest.raises(BadComparisonsError, match=sentence):
        comparisons([("a", "b", 1), ("b", "a", 1)], **more)


def test_without_judges_there_is_nothing_to_say_of_them():
    result = fit(comparisons([("a", "b", 1), ("b", "a", 1)]))
    for question in (judge_summary, screen, consensus):
        with pytest.raises(StatsError, match="say who judged them"):
            question(result)
    with pytest.raises(StatsError, match="method map, not ml"):
        judge_summary(fit(told(), method="ml", ties="half"))


def test_a_judge_who_counts_for_nothing_changes_nothing():
    without = fit(told([row for row in ROWS if row[3] != "ann"]))
    weighted = fit(told(judge_weights={"ann": 0.0}))
    np.testing.assert_allclose(weighted.theta, without.theta, atol=1e-9)
    doubled = fit(told(judge_weights={"bob": 2.0}))
    np.testing.assert_allclose(doubled.theta, fit(told([*ROWS, *ROWS[4:8]])).theta, atol=1e-9)


def test_the_order_effect_of_each_judge_is_found():
    rng, rows, judges = np.random.default_rng(6), [], []
    truth, effects = rng.normal(0, 1, 20), {"j0": -1.0, "j1": 0.0, "j2": 1.5}
    for name, effect in effects.items():
        for _ in range(400):
            i, j = rng.choice(20, 2, replace=False)
            rows.append((f"{i:02}", f"{j:02}", float(rng.random() < 1 / (1 + np.exp(truth[j] - truth[i] - effect)))))
            judges.append(name)
    data = comparisons(rows, judges=judges)
    for method in ("map", "ml"):
        found = fit(data, order_effect="judge", method=method)
        gap = (found.order_effects - list(effects.values())) / found.order_effects_se
        assert np.abs(gap).max() < 3
        assert found.order_effect == pytest.approx(found.order_effects.mean())
        assert 0 < found.order_effect_se < found.order_effects_se.max()
    with pytest.raises(StatsError, match="say who judged them"):
        fit(comparisons(rows), order_effect="judge")
    with pytest.raises(StatsError, match="is not one of True, False and 'judge'"):
        fit(data, order_effect="seat")


def test_the_errors_of_judges_order_effects_are_those_of_the_inverse_information():
    data, _ = panel(judges=4, decisions=60, essays=10, sd=1, seed=8)
    found = fit(data, method="ml", order_effect="judge")
    n, rows = 10, np.arange(len(data))
    design = np.zeros((len(data), n + 4))
    design[rows, data.first], design[rows, data.second], design[rows, n + data.judge] = 1, -1, 1
    chance = 1 / (1 + np.exp(-design @ np.append(found.theta, found.order_effects)))
    np.testing.assert_allclose(design.T @ (data.outcome - chance), 0, atol=1e-6)
    information = design.T @ (design * (chance * (1 - chance))[:, None])
    spread = np.linalg.pinv(information)
    np.testing.assert_allclose(found.order_effects_se, np.sqrt(np.diag(spread)[n:]), atol=1e-7)
    np.testing.assert_allclose(found.standard_error, np.sqrt(np.diag(spread)[:n]), atol=1e-7)
    assert found.order_effect_se == pytest.approx(np.sqrt(spread[n:, n:].mean()), abs=1e-7)
