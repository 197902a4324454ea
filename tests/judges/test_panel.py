from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.judges.panel import Panel
from pairmark.judges.question import Answer, JudgeUnable, Question
from pairmark.judges.spec import build_judge, parse_panel


@dataclass
class Member:
    """A judge that says the first text is better, or that it is unable."""

    name: str
    unable: JudgeUnable | None = None
    in_sets: bool = True
    may_grade: bool = True
    asked: list[str] = field(default_factory=list)

    def check(self, essay_ids: Sequence[str]) -> None:
        if "bad" in essay_ids:
            raise BadRequest(f"{self.name} cannot.")

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        if self.unable:
            raise self.unable
        self.asked += [question.request_id for question in questions]
        return [Answer(q.request_id, "verdict", "first", False, self.name, "test", self.name) for q in questions]


def question(first: str, second: str, repeat: int = 0, attempt: int = 1) -> Question:
    return Question(f"{first}/{second}/{repeat}/{attempt}", first, second, "a", "b", repeat, attempt)


def panel(*shares: float, **changes: object) -> Panel:
    return Panel([(Member(f"member {place}", **changes), share) for place, share in enumerate(shares)])  # type: ignore[arg-type]


PAIRS = list(combinations([f"essay-{number}" for number in range(60)], 2))


@pytest.mark.parametrize("shares", [(0.6, 0.4), (0.5, 0.3, 0.2), (0.98, 0.02), (1.0,)])
def test_each_member_gets_its_share_of_many_pairs(shares: tuple[float, ...]) -> None:
    got = Counter(panel(*shares).member_of(first, second, 0, 1) for first, second in PAIRS)
    for place, share in enumerate(shares):
        assert got[place] / len(PAIRS) == pytest.approx(share, abs=4 * (share * (1 - share) / len(PAIRS)) ** 0.5 + 1e-9)


def test_both_orders_of_a_pair_go_to_the_same_member_and_its_repeats_to_all_by_share() -> None:
    judges = panel(0.6, 0.4)
    for first, second in PAIRS[:50]:
        places = [judges.member_of(first, second, repeat, 1) for repeat in range(100)]
        assert places == [judges.member_of(second, first, repeat, 1) for repeat in range(100)]
        assert places[0::2] == places[1::2]
        assert abs(places[0::2].count(0) - 30) <= 2, "much nearer to its share than by chance"


def test_who_is_asked_hangs_on_the_question_alone() -> None:
    one, again = panel(0.6, 0.4), panel(0.6, 0.4)
    questions = [question(first, second) for first, second in PAIRS]
    answers = {answer.request_id: answer.judge for answer in one.ask(questions)}
    alone = {again.ask([asked])[0].request_id: again.member_for(asked).name for asked in reversed(questions)}
    assert answers == alone


def test_answers_come_in_the_order_asked() -> None:
    questions = [question(first, second) for first, second in PAIRS[:40]]
    assert [answer.request_id for answer in panel(0.5, 0.5).ask(questions)] == [asked.request_id for asked in questions]


def test_a_later_try_goes_to_another_member() -> None:
    judges = panel(0.5, 0.3, 0.2)
    for first, second in PAIRS[:30]:
        assert {judges.member_of(first, second, 0, attempt) for attempt in (1, 2, 3)} == {0, 1, 2}


def test_a_member_that_is_unable_is_passed_over() -> None:
    judges = Panel([(Member("one", JudgeUnable("One has no key.")), 0.9), (Member("two"), 0.1)])
    answers = judges.ask([question(first, second) for first, second in PAIRS[:40]])
    assert {answer.judge for answer in answers} == {"two"}
    assert len(answers) == 40


def test_when_all_are_unable_the_panel_is_and_says_why_for_each() -> None:
    one = JudgeUnable("One has no key.", remedy="Set it.", retry_after=30.0)
    two = JudgeUnable("Two is away.", remedy="Start it.", retry_after=5.0)
    with pytest.raises(JudgeUnable) as unable:
        Panel([(Member("one", one), 0.5), (Member("two", two), 0.5)]).ask([question("a", "b")])
    assert {"One has no key.", "Two is away."} <= {f"{part}." for part in unable.value.message.rstrip(".").split(". ")}
    assert unable.value.retry_after == 5.0
    never = JudgeUnable("Three never comes back.")
    with pytest.raises(JudgeUnable) as unable:
        Panel([(Member("one", one), 0.5), (Member("three", never), 0.5)]).ask([question("a", "b")])
    assert unable.value.retry_after is None


def test_a_panel_is_what_its_members_are() -> None:
    assert panel(0.5, 0.5).in_sets
    assert not panel(0.5, 0.5, in_sets=False).in_sets
    assert not panel(0.5, 0.5, may_grade=False).may_grade
    with pytest.raises(BadRequest, match="cannot"):
        panel(0.5, 0.5).check(["bad"])


def test_votes_of_people_and_models_sit_in_one_panel(tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text("left,right,vote\na,b,left\na,c,left\nb,c,left\n", encoding="utf-8")
    judge = build_judge(parse_panel([f"replay:{votes}=10%", "openai:m=90%"]))
    assert isinstance(judge, Panel)
    assert [member.name for member in judge.members] == ["openai:m", "replay"]
    assert (judge.in_sets, judge.may_grade, judge.concurrency) == (False, True, 64)
    judge.check(["a", "b", "c"])
    asked = {judge.member_for(question(*pair)).name for pair in PAIRS}
    assert asked == {"openai:m", "replay"}


def test_the_one_key_for_judges_by_url_is_shown_to_one_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pydantic_ai")
    names = ["http://127.0.0.1:11434/v1#m=50%", "http://127.0.0.1:8000/v1#m=50%"]
    monkeypatch.setenv("PAIRMARK_JUDGE_KEY", "sk-local")
    two = build_judge(parse_panel(names))
    assert isinstance(two, Panel)
    with pytest.raises(BadRequest, match="shown to 2 servers") as refused:
        two.check_access()
    assert "sk-local" not in str(refused.value)
    one = build_judge(parse_panel([names[0], "http://127.0.0.1:11434/v1#other=50%"]))
    assert isinstance(one, Panel)
    one.check_access()
    monkeypatch.delenv("PAIRMARK_JUDGE_KEY")
    two.check_access()
