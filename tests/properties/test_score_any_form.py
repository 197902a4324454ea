"""Sessions in every CSV form against likelihoods written out here and maximised by SciPy, through the public road `score`.

Nothing of `stats` is used: log-likelihood, prior and the finding of the top are written from the formulas in the docs (Bradley and
Terry 1952, Davidson 1970), and that a finite top exists is seen from SciPy's own strong components.
"""

import csv

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import root
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pairmark.errors import BadRequest
from pairmark.reading.judgement_forms import FORMS
from pairmark.scoring import Options, score
from support.sizes import size

TIE_PRIOR_SD = 2.0  # docs/explanation/statistics.md

SIDE, NUMBER = {1.0: "left", 0.0: "right", 0.5: "tie"}, {1.0: "1", 0.0: "0", 0.5: "0.5"}
PLANNED = {1.0: "first", 0.0: "second", 0.5: "tie"}


def pairmark(n, a, b, won):
    """Every third pair was shown in the other order than planned; the winner is named as planned."""
    return (n, a, b, PLANNED[won], str(n % 3 == 0).lower(), "j1", "true", 900)


def votes(n, a, b, won):
    return ("j1", a, b, SIDE[won], 9)


def by_id(n, a, b, won):
    return ("j1", a, b, {1.0: a, 0.0: b, 0.5: "tie"}[won])


def sirt(n, a, b, won):
    return (a, b, NUMBER[won], "j1")


def winner_first(n, a, b, won):
    return (*((a, b) if won else (b, a)), "j1", "9,5")


FORM = {  # the header, and how a row is written in which `a` won (1), `b` won (0) or neither (0.5, where a form has it)
    "pairmark": ("comparison,first,second,winner,swapped,judge,counted,response_time_ms", pairmark),
    "votes": ("judge,left,right,vote,seconds", votes),
    "Comproved": ("assessor,representations.a,representations.b,data.selection", by_id),
    "sirt": ("id1,id2,result,judge", sirt),
    "No More Marking": ("chosen,notChosen,judgeName,timeTaken", winner_first),
    "candidates": ("candidate_chosen,candidate_not_chosen,judge,time_taken", winner_first),
    "Moodle": ("Won,Lost,JudgeID,TimeTaken", winner_first),
    "winner and loser": ("winner;loser;judge;time", winner_first),
}
WITH_TIES = ("pairmark", "votes", "Comproved", "sirt")

sessions = st.builds(
    dict, essays=st.integers(3, 12), per_essay=st.integers(4, 14), sd=st.floats(0.2, 2.0), ties=st.sampled_from([0.0, 0.25]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
many = settings(
    deadline=None,
    max_examples=size(12, 300),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def judged(essays, per_essay, sd, ties, seed):
    """Rows (first, second, outcome), the essays joined in a ring so that they hang together."""
    draw = np.random.default_rng(seed)
    theta = draw.normal(0, sd, essays)
    ring = [(k, (k + 1) % essays) for k in range(essays)]
    others = [tuple(draw.choice(essays, 2, replace=False)) for _ in range(essays * per_essay // 2)]
    rows = []
    for first, second in [*ring, *others]:
        won = float(draw.random() < 1 / (1 + np.exp(theta[second] - theta[first])))
        rows.append((int(first), int(second), 0.5 if draw.random() < ties else won))
    return rows


def written(path, form, rows):
    header, row = FORM[form]
    separator = ";" if ";" in header else ","
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter=separator)
        out.writerow(header.split(separator))
        out.writerows(row(n, f"e{a:02}", f"e{b:02}", won) for n, (a, b, won) in enumerate(rows))


def top(rows, n, precision):
    """Scores where the log posterior is flat: P(first) : P(tie) : P(second) = exp(d / 2) : nu : exp(-d / 2), normal priors."""
    first, second, outcome = (np.array(column) for column in zip(*rows, strict=True))
    tied = bool((outcome == 0.5).any())

    def slope(point):
        theta = np.append(point[: n - 1], -point[: n - 1].sum())  # they sum to 0
        half, nu = (theta[first] - theta[second]) / 2, np.exp(point[n - 1]) if tied else 0.0
        total = np.exp(half) + nu + np.exp(-half)
        excess = outcome - (np.exp(half) + nu / 2) / total
        each = np.bincount(first, excess, n) - np.bincount(second, excess, n) - precision * theta
        about_ties = np.sum((outcome == 0.5) - nu / total) - (
            point[n - 1] / TIE_PRIOR_SD**2 if precision and tied else 0
        )
        return np.append(each[:-1] - each[-1], [about_ties] if tied else [])

    found = root(slope, np.zeros(n - 1 + tied), tol=1e-13)
    assert np.abs(found.fun).max() < 1e-9
    return np.append(found.x[: n - 1], -found.x[: n - 1].sum())


def finite(rows, n):
    """A finite maximum of the likelihood: every essay beats every other over some chain; and not only ties."""
    wins = [(a, b) for a, b, won in rows if won > 0] + [(b, a) for a, b, won in rows if won < 1]
    winner, loser = np.array(wins).T
    strong = connected_components(coo_array((np.ones(len(wins)), (winner, loser)), (n, n)), connection="strong")[0]
    return strong == 1 and any(won != 0.5 for _, _, won in rows)


def scores(path, **options):
    result = score(path, options=Options(**options))
    return result, np.array([essay.theta for essay in sorted(result.essays, key=lambda essay: essay.essay_id)])


def test_every_form_is_written_here():
    assert set(FORM) == {form.name for form in FORMS}


@pytest.mark.parametrize("form", FORM)
@many
@given(session=sessions)
def test_scores_of_every_form_are_where_the_posterior_is_flat(tmp_path, form, session):
    rows = judged(**session | ({} if form in WITH_TIES else {"ties": 0.0}))
    written(tmp_path / "session.csv", form, rows)
    result, theta = scores(tmp_path / "session.csv")
    assert result.source["form"] == form
    np.testing.assert_allclose(theta, top(rows, session["essays"], result.provenance["prior_sd"] ** -2), atol=1e-6)


@pytest.mark.parametrize("form", FORM)
@many
@given(session=sessions)
def test_maximum_likelihood_of_every_form_is_where_the_likelihood_is_flat_or_refused(tmp_path, form, session):
    rows = judged(**session | ({} if form in WITH_TIES else {"ties": 0.0}))
    written(tmp_path / "session.csv", form, rows)
    if finite(rows, session["essays"]):
        theta = scores(tmp_path / "session.csv", method="ml")[1]
        np.testing.assert_allclose(theta, top(rows, session["essays"], 0.0), atol=1e-6)
    else:
        with pytest.raises(BadRequest, match=r"no finite .*Leave out --method"):
            scores(tmp_path / "session.csv", method="ml")
