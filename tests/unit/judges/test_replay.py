import csv
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairmark.errors import BadRequest
from pairmark.judges.question import Question
from pairmark.judges.replay import ReplayJudge

Build = Callable[..., Question]
Write = Callable[..., Path]

DATA = Path(__file__).parents[2] / "reference" / "data" / "ukpconvarg1"
EXAMPLE = Path(__file__).parents[3] / "examples" / "ukpconvarg1-t31"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("first_asked", ["left", "right"])
def test_a_vote_is_returned_as_recorded_sides_included(vote_file: Write, ask_about: Build, first_asked: str) -> None:
    path = vote_file(("b", "a", "left"))
    asked = ("b", "a") if first_asked == "left" else ("a", "b")
    (answer,) = ReplayJudge(path).ask([ask_about(*asked)])
    assert (answer.winner, answer.swapped) == (("first", False) if first_asked == "left" else ("second", True))


@pytest.mark.parametrize(
    ("word", "as_recorded", "turned"),
    [("left", "first", "second"), ("right", "second", "first"), ("tie", "tie", "tie")],
)
def test_the_winner_refers_to_the_order_asked(
    vote_file: Write, ask_about: Build, word: str, as_recorded: str, turned: str
) -> None:
    judge = ReplayJudge(vote_file(("a", "b", word)))
    answers = judge.ask([ask_about("a", "b"), ask_about("b", "a")])
    assert [answer.winner for answer in answers] == [as_recorded, turned]


votes_of_a_pair = st.lists(st.tuples(st.booleans(), st.sampled_from(["left", "right", "tie"])), min_size=1, max_size=9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(votes=votes_of_a_pair, seed=st.integers(0, 2**63 - 1), turns=st.lists(st.booleans(), min_size=12, max_size=12))
def test_no_vote_is_used_twice_then_the_pair_is_unavailable(
    vote_file: Write, ask_about: Build, votes: list[tuple[bool, str]], seed: int, turns: list[bool]
) -> None:
    rows = [("a", "b", word) if straight else ("b", "a", word) for straight, word in votes]
    path = vote_file(
        *((*row, f"W{number}") for number, row in enumerate(rows)), header=("left", "right", "vote", "judge")
    )
    asked = [ask_about(*(("a", "b") if turns[k] else ("b", "a")), k) for k in range(len(rows) + 2)]
    answers = ReplayJudge(path, seed=seed).ask(asked)

    drawn = answers[: len(rows)]
    assert sorted(answer.judge for answer in drawn) == sorted(f"W{number}" for number in range(len(rows)))
    assert [(answer.kind, answer.winner) for answer in answers[len(rows) :]] == [("unavailable", None)] * 2
    for question, answer in zip(asked, drawn, strict=False):
        left, right, word = rows[int(answer.judge[1:])]
        assert answer.swapped == (left != question.first_id)
        chosen = {"left": left, "right": right, "tie": None}[word]
        assert answer.winner == {question.first_id: "first", question.second_id: "second", None: "tie"}[chosen]
    restarted = ReplayJudge(path, seed=seed)
    assert [restarted.ask([question])[0] for question in reversed(asked)] == answers[::-1]


def test_the_seed_chooses_the_order_and_every_vote_is_equally_likely_to_come_first(
    vote_file: Write, ask_about: Build
) -> None:
    path = vote_file(("a", "b", "left"), ("a", "b", "left"), ("a", "b", "left"), ("a", "b", "right"))
    firsts = Counter(ReplayJudge(path, seed=seed).ask([ask_about("a", "b")])[0].detail for seed in range(800))
    assert len(firsts) == 4
    assert all(140 < count < 260 for count in firsts.values())


def test_times_become_milliseconds_and_are_0_when_unknown(vote_file: Write, ask_about: Build) -> None:
    header = ("judge", "left", "right", "vote", "accepted_utc", "submitted_utc")
    path = vote_file(
        ("W1", "a", "b", "left", "2016-02-27 17:43:46", "2016-02-27 17:44:50"),
        ("", "a", "c", "tie", "", "2016-02-27 17:44:50"),
        header=header,
    )
    timed, untimed = ReplayJudge(path).ask([ask_about("a", "b"), ask_about("a", "c")])
    assert (timed.judge, timed.response_time_ms) == ("W1", 64_000)
    assert (untimed.judge, untimed.response_time_ms) == ("replay", 0)


def test_the_real_votes_of_t31_answer_all_2973_asks_exactly_as_recorded(ask_about: Build) -> None:
    recorded = rows_of(EXAMPLE / "votes.csv")
    ids = [row["item"] for row in rows_of(EXAMPLE / "texts.csv")]
    judge = ReplayJudge(EXAMPLE / "votes.csv", seed=1)
    judge.check(ids)
    asked = [ask_about(a, b, repeat) for a, b in combinations(ids, 2) for repeat in range(5)]
    verdicts = [(q, a) for q, a in zip(asked, judge.ask(asked), strict=True) if a.kind == "verdict"]
    assert len(verdicts) == len(recorded) == 2973
    sides = {False: {"first": "left", "second": "right", "tie": "tie"}}
    sides[True] = {"first": "right", "second": "left", "tie": "tie"}
    as_rows = Counter(
        (a.judge, *((q.second_id, q.first_id) if a.swapped else (q.first_id, q.second_id)), sides[a.swapped][a.winner])
        for q, a in verdicts
    )
    assert as_rows == Counter((row["judge"], row["left"], row["right"], row["vote"]) for row in recorded)


def test_the_example_is_topic_t31_of_the_reference_data() -> None:
    assert rows_of(EXAMPLE / "votes.csv") == [r for r in rows_of(DATA / "votes.csv") if r["topic"] == "T31"]
    texts = [r for r in rows_of(DATA / "items.csv") if r["topic"] == "T31"]
    assert rows_of(EXAMPLE / "texts.csv") == [{k: v for k, v in r.items() if k != "topic"} for r in texts]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "a", "left"), r"Row 3 of .*v\.csv compares 'a' with itself\. Remove the row\."),
        (("a", "b", "first"), r"Row 3 of .*v\.csv has the vote 'first'\. A vote is left, right or tie\."),
        (("a", "b", ""), r"Row 3 of .*v\.csv has the vote ''"),
        (("a", " ", "left"), r"Row 3 of .*v\.csv lacks the id of a text"),
        (("a", "b"), r"Row 3 of .*v\.csv has 2 cells, but the header has 3"),
    ],
)
def test_a_row_that_is_no_vote_is_refused_by_its_number(vote_file: Write, row: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        ReplayJudge(vote_file(("a", "b", "left"), row))


def test_unreadable_times_are_refused_by_their_row(vote_file: Write) -> None:
    path = vote_file(("a", "b", "tie", "soon", "later"), header=("left", "right", "vote", "accepted", "submitted"))
    with pytest.raises(BadRequest, match=r"Row 2 of .* has times that cannot be read \('soon', 'later'\)"):
        ReplayJudge(path)


def test_missing_columns_are_named_beside_those_seen(vote_file: Write) -> None:
    with pytest.raises(BadRequest, match="has the columns winner, loser, but recorded votes need left, right and vote"):
        ReplayJudge(vote_file(("a", "b"), header=("winner", "loser")))


def test_a_file_without_votes_is_refused(vote_file: Write) -> None:
    with pytest.raises(BadRequest, match="has no votes"):
        ReplayJudge(vote_file())


def test_a_vote_on_an_unknown_text_is_refused_by_its_row(vote_file: Write) -> None:
    judge = ReplayJudge(vote_file(("a", "b", "left"), ("a", "ghost", "tie")))
    with pytest.raises(BadRequest, match=r"Row 3 of .* names 'ghost', which is not among the 2 texts"):
        judge.check(["a", "b"])


def test_pairs_without_a_vote_are_counted_and_one_is_named(vote_file: Write) -> None:
    judge = ReplayJudge(vote_file(("a", "b", "left"), ("b", "c", "tie"), ("c", "b", "tie")))
    with pytest.raises(BadRequest, match=r"1 of 3 pairs have no recorded vote in .*, e\.g\. a and c\."):
        judge.check(["c", "a", "b"])


def test_fewer_than_two_texts_need_no_votes(vote_file: Write) -> None:
    ReplayJudge(vote_file(("a", "b", "left"))).check(["c"])


def test_a_file_that_changed_is_refused(vote_file: Write) -> None:
    path = vote_file(("a", "b", "left"))
    with pytest.raises(BadRequest, match="have changed since this judge was chosen"):
        ReplayJudge(path, digest="0" * 64)
