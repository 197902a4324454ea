"""`pairmark simulate` through the installed command: the table, the document, and what it refuses."""

import signal

import pytest

from support.command import Pairmark

SMALL = ("simulate", "--essays", "30", "--target-reliability", "0.8", "--seeds", "5")


@pytest.fixture(scope="module")
def pairmark(tmp_path_factory):
    return Pairmark(tmp_path_factory.mktemp("no") / "home")


def test_one_screen_for_people_compares_all_rules(pairmark):
    done = pairmark.run(*SMALL, "--cost", "0.4", "--comparisons-per-judge", "30")
    lines = done.out.splitlines()
    assert done.code == 0, done.err
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    for word in ("adaptive", "closest-score", "equal-appearances", "random", "per essay", "hours", "cost"):
        assert word in done.out
    assert "Plan for" in done.out
    assert not pairmark.home.exists()


def test_a_narrow_terminal_cuts_no_number_off(pairmark):
    narrow = Pairmark(pairmark.home, COLUMNS="80")
    done = narrow.run(*SMALL, "--cost", "40", "--comparisons-per-judge", "10")
    assert done.code == 0, done.err
    assert "…" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_progress_is_told_with_what_is_left_and_ctrl_c_ends_it_in_one_sentence(pairmark):
    with pairmark.started("simulate", "--essays", "60", "--target-reliability", "0.9", "--seeds", "9000") as running:
        lines = [running.process.stderr.readline() for _ in range(2)]
        running.signal(signal.SIGINT)
        done = running.end()
    assert lines[0].startswith("adaptive, session 1 of 36,000")
    assert "/s, " in lines[1]
    assert lines[1].endswith("left\n")
    assert done.code == 130
    assert done.out == ""
    assert done.err.splitlines()[-1] == "pairmark: Stopped. Nothing was written; the same command begins anew."
    assert "Traceback" not in done.err


def test_the_document_holds_design_and_ranges(pairmark):
    document = pairmark.json(*SMALL, "--rule", "random", "--rule", "adaptive", "--seconds", "30", "--true-sd", "2")
    assert [one["rule"] for one in document["rules"]] == ["random", "adaptive"]
    assert document["design"]["true_sd"] == 2
    for one in document["rules"]:
        asked = one["comparisons"]
        assert 0 < asked["low"] <= asked["median"] <= asked["high"]
        assert one["hours"]["median"] == pytest.approx(asked["median"] * 30 / 3600)
        assert one["cost"]["median"] == 0
        assert one["sessions"] == 5
    assert document == pairmark.json(
        *SMALL, "--rule", "random", "--rule", "adaptive", "--seconds", "30", "--true-sd", "2"
    )


def test_a_target_out_of_reach_is_said_aloud(pairmark):
    done = pairmark.run(*SMALL, "--true-sd", "0", "--most-per-essay", "6", "--rule", "adaptive")
    assert done.code == 0
    assert "No session under the rule adaptive reached 0.8 within 6 comparisons per essay" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--essays", "two"), "--essays"),
        (("--essays", "1"), "between 3 and 1,000"),
        (("--target-reliability", "85"), "target reliability"),
        (("--target-reliability", "nan"), "target reliability"),
        (("--true-sd", "-1"), "true SD"),
        (("--judge-noise", "0"), "judge noise"),
        (("--random-share", "2"), "random share"),
        (("--seconds", "inf"), "seconds per comparison"),
        (("--cost", "-3"), "cost per comparison"),
        (("--comparisons-per-judge", "0"), "comparisons per judge"),
        (("--seeds", "1"), "number of seeds"),
        (("--seed", "-1"), "whole number from 0 up"),
        (("--rule", "swiss"), "swiss"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(pairmark, words, said):
    pairmark.run(*SMALL, *words).refused(said)


def test_what_is_missing_is_named(pairmark):
    pairmark.run("simulate", "--essays", "30").refused("--target-reliability")
