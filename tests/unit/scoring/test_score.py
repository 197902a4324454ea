"""The road from a CSV of judgements to a result and its files, on the real sessions and on small made-up ones."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import pairmark
from pairmark.errors import BadRequest
from pairmark.reading.grade_scales import read_scale, shipped
from pairmark.reading.judgements import Columns
from pairmark.scoring import Options, score
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.pairing import plan_wave
from pairmark.stats.simulation import simulate, true_scores

ROOT = Path(__file__).parents[3]
SANGWIN = ROOT / "tests" / "reference" / "data" / "sangwin2021" / "judgement_data.csv"
T31 = ROOT / "examples" / "ukpconvarg1-t31"
RIGOUR = Options(where=[("dimension", "rigour")])


def session(path, *, essays=40, rounds=24, seed=1, names="e{:03}", apart=0.0):
    """A CSV of simulated judgements; returns the true scores by id."""
    truth = true_scores(essays, 1.5, seed) + apart
    draw = np.random.default_rng(seed)
    ends = np.concatenate([draw.permutation(essays) for _ in range(rounds)]).reshape(-1, 2)
    ids = [names.format(number) for number in range(essays)]
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["judge", "left", "right", "vote", "seconds"])
        for number, (pair, won) in enumerate(zip(ends, simulate(truth, ends, seed), strict=True)):
            left, right = ids[pair[0]], ids[pair[1]]
            out.writerow([f"j{number % 5}", left, right, "left" if won else "right", 10 + number % 7])
    return dict(zip(ids, truth.tolist(), strict=True))


def anchors(path, truth, grades, *, every=6):
    """Anchors from the true order: equal shares of `truth` per grade, every few essays of it."""
    order = sorted(truth, key=truth.__getitem__)
    band = {essay: grades[place * len(grades) // len(order)] for place, essay in enumerate(order)}
    chosen = order[::every]
    path.write_text("essay_id,grade\n" + "".join(f"{essay},{band[essay]}\n" for essay in chosen))
    return band, chosen


def test_a_session_becomes_scores_judges_and_files(tmp_path):
    truth = session(tmp_path / "votes.csv")
    result = pairmark.score(tmp_path / "votes.csv", out=tmp_path / "out")
    scores = {essay.essay_id: essay.theta for essay in result.essays}
    assert np.corrcoef([scores[essay] for essay in truth], list(truth.values()))[0, 1] > 0.9
    assert [essay.rank for essay in result.essays] == list(range(1, 41))
    assert (result.comparisons, result.comparisons_per_essay) == (480, 24.0)
    assert result.reliability["value"] > 0.8
    assert sum(judge.comparisons for judge in result.judges) == 480
    assert all(0.3 < judge.first_seat_share < 0.7 and 10 <= judge.median_seconds <= 16 for judge in result.judges)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["judges.csv", "report.html", "results.csv", "results.json"]
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == json.loads(json.dumps(result.as_dict()))


def test_the_same_rows_in_another_order_give_the_same_result_to_the_last_bit(tmp_path):
    session(tmp_path / "votes.csv")
    head, *rows = (tmp_path / "votes.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    assert score(tmp_path / "votes.csv").essays == score(tmp_path / "turned.csv").essays


def test_the_sirt_compatible_mode_has_no_reliability_of_our_own_and_says_so():
    result = score(SANGWIN, options=replace(RIGOUR, compatible="sirt"))
    assert result.method == "sirt"
    assert result.reliability["value"] is None
    assert round(result.ssr, 3) == 0.948
    assert "those that sirt publishes" in " ".join(result.warnings)


def test_plain_maximum_likelihood_on_the_road(tmp_path):
    result = score(SANGWIN, out=tmp_path / "out", options=replace(RIGOUR, method="ml"))
    assert (result.method, result.reliability["value"]) == ("ml", None)
    assert result.provenance["log_likelihood"] == pytest.approx(-177.6354, abs=5e-5)
    assert round(result.ssr, 4) == 0.9535
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Plain maximum likelihood has no reliability of our own kind" in page
    assert "sirt-compatible" not in page


def test_the_sirt_compatible_mode_leaves_ties_out_and_counts_them(tmp_path):
    session(tmp_path / "votes.csv")
    head, *rows = (tmp_path / "votes.csv").read_text().splitlines()
    tied = [row.replace(",left,", ",tie,").replace(",right,", ",tie,") for row in rows[:7]]
    assert tied != rows[:7]
    (tmp_path / "tied.csv").write_text("\n".join([head, *rows, *tied]) + "\n")
    plain, with_ties = (
        score(tmp_path / name, options=Options(compatible="sirt")) for name in ("votes.csv", "tied.csv")
    )
    assert [essay.theta for essay in with_ties.essays] == [essay.theta for essay in plain.essays]
    assert with_ties.ties == 7
    assert "Ties left out of the scores, as with ignore.ties=TRUE in sirt: 7." in " ".join(with_ties.warnings)


def test_sirt_compatible_scores_that_never_settle_are_refused(tmp_path):
    rows = [("a", "c"), ("a", "d"), ("b", "c"), ("a", "c"), ("d", "b"), ("c", "b")]  # a, b never meet, nor do c, d
    (tmp_path / "sets.csv").write_text("won,lost\n" + "".join(f"{won},{lost}\n" for won, lost in rows))
    assert score(tmp_path / "sets.csv").essays
    with pytest.raises(BadRequest, match=r"did not settle within 100 rounds.*Leave out --compatible"):
        score(tmp_path / "sets.csv", options=Options(compatible="sirt"))


def test_grades_follow_the_anchors_and_are_exported(tmp_path):
    truth = session(tmp_path / "votes.csv", essays=60)
    band, chosen = anchors(tmp_path / "anchors.csv", truth, ["A1", "A2", "B1", "B2", "C1", "C2"])
    options = Options(anchors=tmp_path / "anchors.csv", scale="cefr")
    result = score(tmp_path / "votes.csv", out=tmp_path / "out", options=options)
    free = [essay for essay in result.essays if essay.anchor_grade is None]
    assert {essay.essay_id: essay.anchor_grade for essay in result.essays if essay.anchor_grade} == {
        essay: band[essay] for essay in chosen
    }
    assert np.mean([essay.grade == band[essay.essay_id] for essay in free]) > 0.5
    assert all(sum(essay.grade_probabilities) == pytest.approx(1) for essay in result.essays)
    assert all(max(essay.grade_probabilities) == essay.grade_probability for essay in result.essays)
    assert sum(share.essays for share in result.grades.distribution) == len(free)
    assert sum(share.expected for share in result.grades.distribution) == pytest.approx(len(free))
    assert result.grades.review == sum(essay.review for essay in free)
    at = [boundary.theta for boundary in result.grades.boundaries]
    crossed = [any(essay.ci_low < edge <= essay.ci_high for edge in at) for essay in result.essays]
    assert crossed == [essay.review for essay in result.essays]
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["grade"] for row in rows] == [essay.grade for essay in result.essays]
    assert [float(row["P(C2)"]) for row in rows] == [essay.grade_probabilities[5] for essay in result.essays]


def test_a_planted_anchor_is_told_by_name(tmp_path):
    truth = session(tmp_path / "votes.csv", essays=60, rounds=40)
    anchors(tmp_path / "anchors.csv", truth, ["fail", "pass"], every=4)
    worst = min(truth, key=truth.__getitem__)
    text = (tmp_path / "anchors.csv").read_text().replace(f"{worst},fail", f"{worst},pass")
    (tmp_path / "anchors.csv").write_text(text)
    options = Options(anchors=tmp_path / "anchors.csv", scale="pass-fail")
    result = score(tmp_path / "votes.csv", options=options)
    assert [anchor.essay_id for anchor in result.grades.anchors if anchor.displaced] == [worst]
    assert any(f"does not fit their grade: {worst}" in warning for warning in result.warnings)


def test_missing_grades_are_interpolated_and_told(tmp_path):
    truth = session(tmp_path / "votes.csv", essays=60)
    anchors(tmp_path / "anchors.csv", truth, ["1", "3", "7", "9"])
    result = score(tmp_path / "votes.csv", options=Options(anchors=tmp_path / "anchors.csv", scale="gcse-9-1"))
    assert [b.interpolated for b in result.grades.boundaries] == [True] * 9
    assert any("No anchor has the grade U, 2, 4, 5, 6, 8" in warning for warning in result.warnings)


def test_the_surface_baseline_never_grades(tmp_path):
    truth = session(tmp_path / "votes.csv")
    anchors(tmp_path / "anchors.csv", truth, ["fail", "pass"])
    text = (tmp_path / "votes.csv").read_text().replace("j1,", "surface,")
    (tmp_path / "votes.csv").write_text(text)
    assert score(tmp_path / "votes.csv").baseline
    with pytest.raises(BadRequest, match=r"surface baseline.*never grades"):
        score(tmp_path / "votes.csv", options=Options(anchors=tmp_path / "anchors.csv", scale="pass-fail"))


def test_a_new_batch_is_linked_to_an_earlier_one_by_common_essays(tmp_path):
    earlier = session(tmp_path / "old.csv", rounds=30)
    score(tmp_path / "old.csv", out=tmp_path / "old")
    later = session(tmp_path / "new.csv", rounds=30, names="n{:03}", seed=2, apart=1.5)
    text = (tmp_path / "new.csv").read_text()
    common = list(zip(sorted(earlier, key=earlier.get), sorted(later, key=later.get), strict=True))[::4]
    for old, new in common:
        text = text.replace(new, old)
    (tmp_path / "new.csv").write_text(text)
    result = score(tmp_path / "new.csv", options=Options(link=tmp_path / "old" / "results.csv"))
    assert result.link.common == len(common)
    assert result.link.standard_error > 0
    assert [essay.theta for essay in result.essays] == sorted((essay.theta for essay in result.essays), reverse=True)
    assert np.mean([essay.theta for essay in result.essays]) == pytest.approx(result.link.shift, abs=0.2)


def test_scores_are_held_against_length_where_texts_are_known():
    options = Options(texts=T31 / "texts.csv", compare="published_rank_score", smaller_is_better=True)
    length = score(T31 / "votes.csv", options=options).length
    assert length.essays == 35
    assert length.low < length.rank_correlation < length.high
    assert 0.5 < length.matched_accuracy < length.overall_accuracy < 1
    assert length.partial_correlation > 0.8


def test_what_is_said_of_length_is_what_scipy_and_a_count_by_hand_say():
    options = Options(texts=T31 / "texts.csv", compare="published_rank_score", smaller_is_better=True)
    result = score(T31 / "votes.csv", options=options)
    with (T31 / "texts.csv").open(newline="") as file:
        texts = {row["item"]: row for row in csv.DictReader(file)}
    ids = sorted(texts)
    theta = {essay.essay_id: essay.theta for essay in result.essays}
    words = {item: len(re.findall(r"[^\W_]+(?:['’‐-][^\W_]+)*", texts[item]["text"])) for item in ids}  # noqa: RUF001
    by_score, by_words, published = (
        stats.rankdata(column)
        for column in (
            [theta[i] for i in ids],
            [words[i] for i in ids],
            [-float(texts[i]["published_rank_score"]) for i in ids],
        )
    )
    assert result.length.rank_correlation == pytest.approx(stats.pearsonr(by_score, by_words)[0], abs=1e-12)
    left = [ranks - np.polyval(np.polyfit(by_words, ranks, 1), by_words) for ranks in (by_score, published)]
    assert result.length.partial_correlation == pytest.approx(stats.pearsonr(*left)[0], abs=1e-12)

    won, longer, matched = [], [], []
    with (T31 / "votes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            a, b, got = row["left"], row["right"], {"left": 1.0, "right": 0.0, "tie": 0.5}[row["vote"]]
            if words[a] != words[b]:
                longer.append(got if words[a] > words[b] else 1 - got)
            if theta[a] == theta[b]:  # two texts with as many wins from as many votes
                continue
            won.append(got if theta[a] > theta[b] else 1 - got)
            if 10 * max(words[a], words[b]) <= 11 * min(words[a], words[b]):
                matched.append(won[-1])
    assert (result.length.decisions, result.length.matched_pairs) == (len(longer), len(matched))
    assert result.length.longer_won == pytest.approx(np.mean(longer))
    assert result.length.matched_accuracy == pytest.approx(np.mean(matched))
    assert result.length.overall_accuracy == pytest.approx(np.mean(won))


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["one two"] * 5, "all texts have 2 words"),
        (["one", "one two", "one two three"], "that takes 4 judged essays with texts, not 3"),
        (["..."] * 4, "all texts have 0 words"),
    ],
)
def test_why_nothing_is_said_of_length_is_told(tmp_path, texts, told):
    ids = "abcde"[: len(texts)]
    rows = [f"{a},{b}\n" for a in ids for b in ids if a != b]
    (tmp_path / "votes.csv").write_text("won,lost\n" + "".join(rows))
    (tmp_path / "texts.csv").write_text("who,said\n" + "".join(f"{i},{t}\n" for i, t in zip(ids, texts, strict=True)))
    options = Options(texts=tmp_path / "texts.csv", id_column="who", text_column="said")
    result = score(tmp_path / "votes.csv", options=options, out=tmp_path / "out")
    assert result.length is None
    assert told in " ".join(result.warnings)


def test_an_order_effect_needs_seats(tmp_path):
    session(tmp_path / "votes.csv")
    assert score(tmp_path / "votes.csv", options=Options(order_effect=True)).order_effect_se > 0
    with pytest.raises(BadRequest, match="does not say which text was shown first"):
        score(SANGWIN, options=replace(RIGOUR, order_effect=True))


@pytest.mark.parametrize("adaptive", [False, True])
def test_adaptive_pairing_is_noticed_and_blind_pairing_is_not(tmp_path, adaptive):
    truth, items = true_scores(60, 1.5, 1), [f"e{number:02}" for number in range(60)]
    pairs, outcomes, theta = np.zeros((0, 2), dtype=np.int64), np.zeros(0), None
    for wave in range(10):
        new = plan_wave(60, pairs[:, 0], pairs[:, 1], size=60, theta=theta, seed=1, wave=wave)
        pairs, outcomes = np.concatenate([pairs, new]), np.concatenate([outcomes, simulate(truth, new, wave)])
        if adaptive:
            theta = fit(comparisons((pairs[:, 0], pairs[:, 1], outcomes), items=items)).theta
    won = np.where(outcomes[:, None] == 1, pairs, pairs[:, ::-1])
    rows = ["won,lost", *(f"{items[i]},{items[j]}" for i, j in won)]
    (tmp_path / "votes.csv").write_text("\n".join(rows) + "\n")
    warnings = score(tmp_path / "votes.csv").warnings
    assert any("pairing was probably adaptive" in warning for warning in warnings) == adaptive


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("won,lost\na,b\nc,d\n", "2 unconnected groups .a, b . c, d.*--where COLUMN=VALUE"),
        ("won,lost,weight\na,b,0\n", "unconnected groups"),
    ],
)
def test_what_cannot_be_put_on_one_scale_is_refused(tmp_path, content, told):
    (tmp_path / "votes.csv").write_text(content)
    with pytest.raises(BadRequest, match=told):
        score(tmp_path / "votes.csv")


def test_two_essays_and_one_judgement_are_enough(tmp_path):
    (tmp_path / "votes.csv").write_text("won,lost\na,b\n")
    result = score(tmp_path / "votes.csv", out=tmp_path / "out")
    assert [essay.essay_id for essay in result.essays] == ["a", "b"]
    assert all(essay.standard_error > 0 for essay in result.essays)
    assert any("Won or lost every comparison" in warning for warning in result.warnings)
    fits = [*(essay.misfit for essay in result.essays), *(judge.misfit for judge in result.judges)]
    assert all(fit.infit < 1 and not fit.above for fit in fits)  # a decision that follows the scale is no misfit


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Options(scale="cefr"), "There is a scale but no anchors"),
        (Options(anchors=Path("anchors.csv")), "There are anchors but no scale"),
        (Options(compare="rank"), "--compare names a column of the texts, but there are no texts"),
        (Options(id_column="x"), "--id-column names a column of the texts"),
        (Options(smaller_is_better=True), "says nothing without --compare"),
        (Options(method="mean"), "no method 'mean'"),
        (Options(method="ml", compatible="sirt"), "goes neither with --compatible"),
        (Options(method="ml", link=Path("nothing.csv")), "nor with --link"),
        (Options(compatible="sirt", order_effect=True), "only reproduces published scores"),
        (Options(compatible="brms"), "no mode compatible with 'brms'"),
        (Options(target_reliability=1.0), "cannot be reached"),
        (Options(link=Path("nothing.csv")), "does not exist"),
        (Options(columns=Columns(first="x", second="y")), "but no 'x'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(tmp_path, options, told):
    session(tmp_path / "votes.csv")
    with pytest.raises(BadRequest, match=told):
        score(tmp_path / "votes.csv", options=options)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("essay_id,theta\na,1\n", "linking needs essay_id, theta and standard_error"),
        ("essay_id,theta,standard_error\ne000,1,0.2\n", "1 of the judged essays stand in"),
        ("essay_id,theta,standard_error\ne000,1,0\n", "Row 2 of .* has the score '1' and the error '0'"),
        (
            "essay_id,theta,standard_error\ne000,1,0.2\ne001,1,0.2\ne000,2,0.2\n",
            "Row 4 of .* scores 'e000' a second time",
        ),
        ("essay_id,theta,standard_error\ne000,x,1\n", "Row 2 of .* has the score 'x'"),
    ],
)
def test_an_earlier_batch_that_cannot_be_used_is_refused(tmp_path, content, told):
    session(tmp_path / "votes.csv")
    (tmp_path / "old.csv").write_text(content)
    with pytest.raises(BadRequest, match=told):
        score(tmp_path / "votes.csv", options=Options(link=tmp_path / "old.csv"))


def test_ids_that_the_report_guards_against_formulas_are_linked(tmp_path):
    session(tmp_path / "votes.csv", names="=e{:03}")
    score(tmp_path / "votes.csv", out=tmp_path / "first")
    assert "'=e000" in (tmp_path / "first" / "results.csv").read_text()
    again = score(tmp_path / "votes.csv", options=Options(link=tmp_path / "first" / "results.csv"))
    assert again.link.common == 40


def test_a_batch_linked_to_itself_is_told_that_its_judgements_count_twice(tmp_path):
    session(tmp_path / "votes.csv")
    alone = score(tmp_path / "votes.csv", out=tmp_path / "first")
    again = score(tmp_path / "votes.csv", options=Options(link=tmp_path / "first" / "results.csv"))
    assert again.essays[0].standard_error < alone.essays[0].standard_error
    assert any("results.csv holds the scores of these same judgements" in warning for warning in again.warnings)
    session(tmp_path / "later.csv", seed=2)
    later = score(tmp_path / "later.csv", options=Options(link=tmp_path / "first" / "results.csv"))
    assert not any("same judgements" in warning for warning in later.warnings)


def test_anchors_that_run_against_the_scores_are_told(tmp_path):
    truth = session(tmp_path / "votes.csv")
    anchors(tmp_path / "anchors.csv", truth, ["A2", "B1", "C1"])
    asked = Options(anchors=tmp_path / "anchors.csv", scale="cefr")
    told = "Anchors with higher grades have no higher scores"
    assert not any(told in warning for warning in score(tmp_path / "votes.csv", options=asked).warnings)
    anchors(tmp_path / "anchors.csv", {name: -value for name, value in truth.items()}, ["A2", "B1", "C1"])
    assert any(told in warning for warning in score(tmp_path / "votes.csv", options=asked).warnings)


def test_an_anchor_that_nobody_judged_is_refused_with_its_row(tmp_path):
    session(tmp_path / "votes.csv")
    (tmp_path / "anchors.csv").write_text("essay_id,grade\ne000,pass\nzoe,fail\n")
    with pytest.raises(BadRequest, match=r"Row 3 of .* names 'zoe', which nobody judged"):
        score(tmp_path / "votes.csv", options=Options(anchors=tmp_path / "anchors.csv", scale="pass-fail"))


@pytest.mark.parametrize("scale", sorted(shipped()))
def test_an_essay_that_equals_the_only_anchor_of_a_grade_gets_that_grade(tmp_path, scale):
    """Every anchor has a twin with the same judgements. Below one standard error from the next anchor nothing is promised."""
    grades, rng = read_scale(scale).grades, np.random.default_rng(8)
    at, free = 1.2 * (np.arange(len(grades)) - (len(grades) - 1) / 2), rng.normal(0, 3, 30)
    rows = []
    for number in np.repeat(np.arange(len(grades)), 80):
        other = int(rng.integers(len(free)))
        won = rng.random() < 1 / (1 + np.exp(free[other] - at[number]))
        rows += [(f"{kind}{number}", f"free{other}")[:: 1 if won else -1] for kind in ("anchor", "twin")]
    (tmp_path / "votes.csv").write_text("won,lost\n" + "".join(f"{won},{lost}\n" for won, lost in rows))
    lines = [f"anchor{number},{grade}\n" for number, grade in enumerate(grades)]
    (tmp_path / "anchors.csv").write_text("essay_id,grade\n" + "".join(lines))
    result = score(tmp_path / "votes.csv", options=Options(anchors=tmp_path / "anchors.csv", scale=scale))
    found = {essay.essay_id: essay for essay in result.essays}
    twins, known = ([found[f"{kind}{n}"] for n in range(len(grades))] for kind in ("twin", "anchor"))
    assert [twin.theta for twin in twins] == pytest.approx([anchor.theta for anchor in known])
    gaps = np.diff([anchor.theta for anchor in known]) / np.mean([anchor.standard_error for anchor in known])
    apart = np.minimum(np.append(np.inf, gaps), np.append(gaps, np.inf)) >= 1
    assert apart.mean() >= 0.5
    right = np.array([twin.grade == grade for twin, grade in zip(twins, grades, strict=True)])
    assert right[apart].all()
    assert not any(anchor.displaced for anchor in result.grades.anchors)
