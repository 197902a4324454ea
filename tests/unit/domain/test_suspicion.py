"""Which essays the pattern of what models say points to."""

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pairmark.domain.suspicion import Told, suspects


def round_robin(essays: int, bad: set[int], judge: str = "a") -> list[Told]:
    """Everybody beside everybody, by a judge that sees instructions wherever a bad one is shown."""
    return [Told(a, b, bool({a, b} & bad), judge) for a, b in combinations(range(essays), 2)]


def found(verdicts: list[Told]) -> set[int]:
    return {one.essay for one in suspects(verdicts)}


@given(st.integers(6, 14), st.data())
def test_exactly_the_bad_ones_are_found_while_they_are_few(essays: int, data: st.DataObject):
    bad = data.draw(st.sets(st.integers(0, essays - 1), max_size=essays // 3))
    assert found(round_robin(essays, bad)) == bad


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(8, 15), st.booleans(), st.sampled_from("ab")), max_size=60))
def test_every_suspect_had_two_partners_left_and_half_of_its_verdicts(rows: list[tuple[int, int, bool, str]]):
    told = [Told(*row) for row in rows]
    out = suspects(told)
    assert len({one.essay for one in out}) == len(out)
    assert all(one.partners >= 2 and 2 * one.found >= one.verdicts for one in out)
    everybody = {essay for one in told for essay in (one.first, one.second)}
    assert not out or len(everybody - {one.essay for one in out}) >= 2
    assert {one.essay for one in suspects(told[::-1])} == {one.essay for one in out}


def test_said_beside_one_partner_only_it_means_nothing():
    assert found([Told(0, 1, True), Told(1, 0, True), Told(2, 3, False), Told(0, 2, False)]) == set()


def test_a_judge_that_says_it_always_is_not_heard_beside_one_that_does_not():
    always = [Told(one.first, one.second, True, "always") for one in round_robin(6, set())]
    assert found([*always, *round_robin(6, {2}, "fair")]) == {2}


def test_twenty_thousand_essays_take_little_time():
    chance = Random(1)
    bad = set(range(0, 20_000, 10))
    pairs = [(chance.randrange(20_000), chance.randrange(20_000)) for _ in range(200_000)]
    hit = found([Told(a, b, bool({a, b} & bad)) for a, b in pairs if a != b])
    assert hit <= bad
    assert len(hit) >= 0.99 * len(bad)


def test_an_essay_that_only_stood_beside_two_that_are_found_has_no_verdicts_left():
    told = [Told(a, b, found=True) for a, b in ((0, 2), (0, 3), (0, 4), (1, 2), (1, 5), (1, 6))]
    told += [Told(a, b, found=False) for a, b in ((3, 4), (5, 6), (3, 5))]
    assert found(told) == {0, 1}
