"""The forms in which judgements come as a CSV, recognised by the names of their columns.

A form says which columns hold what; reading the rows is next door, in `judgements`. Names are compared without letter
case and punctuation, so that `notChosen`, `not_chosen` and `Not chosen` are the same. Where each form was seen:

- No More Marking: the sample data of github.com/NoMoreMarking/sirt (judgeName, timeTaken, chosen, notChosen) and the
  decisions of Wheadon et al. (2020) in codingWithAndy/Comparative-Judgement-Users-Group (judgeId instead); milliseconds.
- Moodle: the raw comparison data of assignsubmission_comparativejudgement (JudgeID,Won,Lost,TimeTaken); seconds.
- candidates: the collection behind Kinnear, Jones & Davies (2025) (judge,candidate_chosen,candidate_not_chosen).
- sirt: the documentation of `btm`: two labels and a result of 1, 0 or 0.5.
- D-PAC, from which Comproved grew: schemas/comparison.json of d-pac/d-pac.plugins-spec (assessor, representations.a,
  representations.b, data.selection). No export of Comproved itself was at hand; name its columns if they differ.
- votes: what the replay judge reads. pairmark: `judgements.csv` as our own report writes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Names = tuple[str, ...]
Unit = Literal["s", "ms"]

NUMBERS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "0.5": 0.5, ".5": 0.5, "0,5": 0.5}
SIDES = {"left": 1.0, "first": 1.0, "a": 1.0, "right": 0.0, "second": 0.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Form:
    """Names of the columns of one form, best first.

    `first` and `second` hold the texts. Without `vote` the first one won, and who stood where is not known. With `vote`
    its words (`outcomes`) or, with `by_id`, the id of the chosen text say who won, and `first` was shown first if `seats`.
    """

    name: str
    first: Names
    second: Names
    vote: Names = ()
    judge: Names = ()
    time: Names = ()
    unit: Unit = "s"
    outcomes: dict[str, float] = field(default_factory=dict)
    by_id: bool = False
    seats: bool = False
    optional: tuple[tuple[str, Names], ...] = ()

    def required(self) -> list[Names]:
        """The columns without which this is another form."""
        return [names for names in (self.first, self.second, self.vote) if names]


FORMS = (
    Form(
        "pairmark", ("first",), ("second",), ("winner",), ("judge",), ("response_time_ms",), "ms",
        outcomes={"first": 1.0, "second": 0.0, "tie": 0.5}, by_id=True, seats=True,
        optional=(("swapped", ("swapped",)), ("counted", ("counted",)), ("wave", ("wave",))),
    ),
    Form(
        "votes", ("left",), ("right",), ("vote", "winner", "choice"), ("judge",), ("seconds", "time_taken"),
        outcomes={"left": 1.0, "right": 0.0, "tie": 0.5}, by_id=True, seats=True,
        optional=(("began", ("accepted_utc", "accepted")), ("ended", ("submitted_utc", "submitted"))),
    ),
    Form(
        "No More Marking", ("chosen",), ("not_chosen",), (), ("judge_name", "judge_id", "judge"), ("time_taken",), "ms",
    ),
    Form(
        "candidates", ("candidate_chosen",), ("candidate_not_chosen",), (), ("judge", "judge_id"), ("time_taken",),
    ),
    Form("Moodle", ("won",), ("lost",), (), ("judge_id", "judge", "submission_id"), ("time_taken", "time"),),
    Form("winner and loser", ("winner",), ("loser",), (), ("judge", "judge_id", "assessor"), ("time_taken", "time")),
    Form(
        "Comproved", ("representations.a", "representation_a", "a"), ("representations.b", "representation_b", "b"),
        ("data.selection", "selection", "selected", "winner"), ("assessor", "judge"), ("time_taken", "duration"),
        outcomes={"a": 1.0, "b": 0.0, "tie": 0.5}, by_id=True, seats=True,
    ),
    Form(
        "sirt", ("id1", "item1", "individual1", "unit1"), ("id2", "item2", "individual2", "unit2"),
        ("result", "outcome", "y"), ("judge",), ("time_taken", "time"), outcomes=NUMBERS,
    ),
)  # fmt: skip

WEIGHT: Names = ("weight",)


def plain(name: str) -> str:
    """A column's name without letter case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def position(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Where the first of `names` stands in the header; None if none does or it stands twice."""
    seen = [plain(column) for column in header]
    for name in names:
        if seen.count(plain(name)) == 1:
            return seen.index(plain(name))
    return None


def named_twice(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column, as it is written, of the first of `names` that stands more than once; None if none does."""
    seen = [plain(column) for column in header]
    twice = [name for name in map(plain, names) if seen.count(name) > 1]
    return header[seen.index(twice[0])] if twice else None


def recognise(header: Sequence[str]) -> Form | None:
    """The first form all of whose required columns are there."""
    for form in FORMS:
        if all(position(header, names) is not None for names in form.required()):
            return form
    return None


def expected() -> str:
    """The recognised forms in one sentence's worth of words."""
    return "; ".join(f"{form.name}: {', '.join(names[0] for names in form.required())}" for form in FORMS)
