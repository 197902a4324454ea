"""What a score says about judges, essays that do not fit, and how it settled: from files to the fields of the result."""

import csv
import itertools

import numpy as np
import pytest

from pairmark.scoring import Options, convergence, judges, misfit, score
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.simulation import simulate, true_scores

ESSAYS, JUDGES = 24, 12


def rows(seed=3, contrary=(), tossing=()):
    """Left, right, who won and who judged; each judge decides 40 random pairs."""
    truth = true_scores(ESSAYS, 2.0, seed)
    draw = np.random.default_rng(seed)
    told = []
    for judge in range(JUDGES):
        pairs = np.array([draw.choice(ESSAYS, 2, replace=False) for _ in range(40)])
        factor = -1.0 if judge in contrary else 0.0 if judge in tossing else 1.0
        won = simulate(factor * truth, pairs, seed * 100 + judge)
        told += [
            (f"e{a:02}", f"e{b:02}", "left" if w else "right", f"j{judge:02}")
            for (a, b), w in zip(pairs, won, strict=True)
        ]
    draw.shuffle(told)
    return told


def write(path, header, table):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *table])
    return path


VOTES = ("left", "right", "vote", "judge")


def test_planted_judges_are_found_and_named_by_what_they_do(tmp_path):
    result = score(write(tmp_path / "v.csv", VOTES, rows(contrary=(4,), tossing=(7,))))
    found = {judge.judge: judge.finding for judge in result.judges}
    assert found["j04"] == "dissenting"
    assert found["j07"] == "random"
    assert sum(finding != "consensus" for finding in found.values()) <= 3
    contrary = next(judge for judge in result.judges if judge.judge == "j04")
    assert contrary.agreement < 0.4 < contrary.expected_agreement
    assert contrary.misfit.above
    assert contrary.misfit.infit > contrary.misfit.infit_high
    assert contrary.misfit.infit_p < 0.025


def test_an_essay_that_is_judged_against_its_place_comes_with_its_odd_comparisons(tmp_path):
    table = rows()
    clear = score(write(tmp_path / "v.csv", VOTES, table))
    last, best = clear.essays[-1].essay_id, [essay.essay_id for essay in clear.essays[:3]]
    upset = [(last, other, "left", f"x{k}") for k, other in enumerate(best)] + [(last, best[0], "left", "x9")]
    result = score(write(tmp_path / "w.csv", VOTES, table + upset))
    odd = [one for one in result.odd if one.essay_id == last]
    assert {(one.winner, one.loser) for one in odd} == {(last, other) for other in best}
    twice = next(one for one in odd if one.loser == best[0])
    assert (twice.times, twice.judges, twice.tie) == (2, ["x0", "x9"], False)
    assert [one.chance for one in odd] == sorted(one.chance for one in odd)
    assert odd[0].chance < 0.1
    assert next(essay for essay in result.essays if essay.essay_id == last).misfit.above
    assert len(odd) == misfit.ODD_EACH


def test_ranks_that_fit_hold_the_rank_and_narrow_with_judgements(tmp_path):
    few = score(write(tmp_path / "few.csv", VOTES, rows()[:150])).essays
    many = score(write(tmp_path / "many.csv", VOTES, rows() * 3)).essays
    for essays in (few, many):
        assert all(essay.rank_low <= essay.rank <= essay.rank_high for essay in essays)
    widths = [np.mean([essay.rank_high - essay.rank_low for essay in essays]) for essays in (few, many)]
    assert widths[1] < widths[0] / 2, widths


def test_without_waves_or_times_the_steps_are_tenths_of_the_file(tmp_path):
    course = score(write(tmp_path / "v.csv", VOTES, rows())).convergence
    assert course.by == "file"
    assert [step.comparisons for step in course.steps] == list(range(48, 481, 48))
    assert course.steps[-1].reliability > course.steps[2].reliability
    assert course.steps[0].largest_change is None
    assert course.steps[-1].largest_change > 0


def test_the_last_step_is_the_result_and_times_give_the_order(tmp_path):
    table = [(*row, f"2024-05-01T10:{k // 60:02}:{k % 60:02}+00:00") for k, row in enumerate(rows())]
    in_order = score(write(tmp_path / "a.csv", (*VOTES, "submitted_utc"), table))
    turned = score(write(tmp_path / "b.csv", (*VOTES, "submitted_utc"), table[::-1]))
    assert in_order.convergence.by == "time"
    assert in_order.convergence == turned.convergence
    assert in_order.convergence.steps[-1].reliability == in_order.reliability["value"]
    broken = [*table[:-1], (*table[-1][:-1], "yesterday")]
    assert score(write(tmp_path / "c.csv", (*VOTES, "submitted_utc"), broken)).convergence.by == "file"


def test_waves_of_our_own_form_are_the_steps_and_many_are_thinned(tmp_path):
    header = ("first", "second", "winner", "judge", "wave")
    for waves, shown in ((8, list(range(1, 9))), (48, list(range(3, 49, 3)))):
        table = [
            (a, b, a if vote == "left" else b, who, 1 + k * waves // 480) for k, (a, b, vote, who) in enumerate(rows())
        ]
        course = score(write(tmp_path / "v.csv", header, table)).convergence
        assert course.by == "wave"
        assert [step.wave for step in course.steps] == shown
        assert course.steps[-1].comparisons == 480
        assert len(course.steps) <= convergence.MOST_STEPS


def test_while_essays_are_unconnected_a_step_has_no_reliability(tmp_path):
    first = [(f"e{k:02}", f"e{k + 1:02}", "left", "kim") for k in range(0, ESSAYS, 2)] * 5
    steps = score(write(tmp_path / "v.csv", VOTES, [*first, *rows()])).convergence.steps
    assert steps[0].reliability is None
    assert steps[-1].reliability is not None


def test_winners_and_losers_leave_seats_and_orders_out(tmp_path):
    table = [(a, b, who) if vote == "left" else (b, a, who) for a, b, vote, who in rows(tossing=(2,))]
    result = score(write(tmp_path / "v.csv", ("won", "lost", "judge_id"), table))
    assert all(judge.first_seat_share is None and judge.flip_rate is None for judge in result.judges)
    assert "one seat" not in {judge.finding for judge in result.judges}
    assert next(judge.finding for judge in result.judges if judge.judge == "j02") == "random"


def test_a_pair_seen_in_both_orders_shows_who_turns(tmp_path):
    both = [("e00", "e01", "left", "turner"), ("e01", "e00", "left", "turner")]
    both += [("e00", "e01", "left", "steady"), ("e01", "e00", "right", "steady")]
    found = {judge.judge: judge for judge in score(write(tmp_path / "v.csv", VOTES, rows() + both)).judges}
    assert (found["turner"].flip_rate, found["turner"].both_orders) == (1.0, 1)
    assert (found["steady"].flip_rate, found["steady"].both_orders) == (0.0, 1)


def test_rows_without_a_judge_count_for_the_scores_and_for_nobody(tmp_path):
    table = [row if k % 3 else (*row[:3], "") for k, row in enumerate(rows())]
    result = score(write(tmp_path / "v.csv", VOTES, table))
    assert result.comparisons == 480
    assert sum(judge.comparisons for judge in result.judges) == 320
    assert all(judge.judge for judge in result.judges)
    assert all(judge.finding for judge in result.judges)
    nobody = score(write(tmp_path / "n.csv", VOTES, [(*row[:3], "") for row in table]))
    assert nobody.judges == []
    assert nobody.split_half.over == "comparisons"


def test_one_judge_alone_is_not_held_against_own_decisions(tmp_path):
    (only,) = score(write(tmp_path / "v.csv", VOTES, [(*row[:3], "kim") for row in rows()])).judges
    assert only.agreement is None
    assert only.finding is None
    assert only.misfit is not None


def test_sizes_that_would_take_minutes_are_done_with_less_and_said_so(tmp_path, monkeypatch):
    path = write(tmp_path / "v.csv", VOTES, rows())
    monkeypatch.setattr(misfit, "SIMULATED_CELLS", 480 * 99)
    monkeypatch.setattr(judges, "MOST_CELLS", 480 * JUDGES - 1)
    monkeypatch.setattr(convergence, "MOST_JUDGEMENTS", 479)
    result = score(path)
    assert result.convergence is None
    assert result.essays[0].misfit.infit_high is None
    assert not any(essay.misfit.above for essay in result.essays)
    assert {judge.finding for judge in result.judges} == {None}
    assert all(judge.agreement > 0.5 for judge in result.judges)
    assert any("scale of all judges" in note and "very many judgements" in note for note in result.warnings)


def test_beyond_a_size_no_misfit_is_told_and_the_page_does_without(tmp_path, monkeypatch):
    path = write(tmp_path / "v.csv", VOTES, rows())
    monkeypatch.setattr(misfit, "MOST_JUDGEMENTS", 479)
    result = score(path, out=tmp_path / "out")
    assert {essay.misfit for essay in result.essays} == {judge.misfit for judge in result.judges} == {None}
    assert result.odd == []
    assert 'id="misfit"' not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(("judgements", "count"), [(1_000, 400), (200_000, 200), (400_000, 100), (400_001, 0)])
def test_simulations_fit_the_size(judgements, count):
    first = np.arange(judgements) % 2
    data = comparisons((first, 1 - first, np.arange(judgements) % 3 > 0), items=["a", "b"])
    assert misfit.simulations(fit(data)) == count


def test_published_figures_come_without_what_has_no_published_form(tmp_path):
    result = score(write(tmp_path / "v.csv", VOTES, rows()), options=Options(compatible="sirt"))
    assert result.convergence is None
    assert result.split_half is None
    assert result.essays[0].misfit.infit_high is None
    assert any("sirt-compatible mode has no scale without a judge" in note for note in result.warnings)


@pytest.mark.parametrize(
    ("options", "prior"),
    [(Options(), True), (Options(method="ml"), False), (Options(compatible="sirt"), False)],
)
def test_only_scores_with_a_prior_are_said_to_have_one(tmp_path, options, prior):
    rows = [f"{a},{b}\n" for a, b in itertools.permutations("abcd", 2)]
    text = "won,lost\n" + "".join(rows)
    (tmp_path / "votes.csv").write_text(text if options.method == "ml" else text + "top,a\ntop,b\n")
    result = score(tmp_path / "votes.csv", out=tmp_path / "out", options=options)
    assert any("rests on the prior" in warning for warning in result.warnings) is prior
    assert ("under a normal prior" in (tmp_path / "out" / "report.html").read_text()) is prior
