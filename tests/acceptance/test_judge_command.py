"""`pairmark judge check` says in words what is wrong with a judge; `judge compare` holds several against each other and people."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import T31, TEXTS, VOTES
from support.in_process import run
from support.judged_texts import FAVOURS_FIRST, SHARP, people_file, texts_file
from support.providers import FakeProviders, Scene, Traits

ESSAYS, PAIRS = 8, 20
A, B, C = "openai:gpt-5-mini", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash"
GULLIBLE = Traits(marker=SHARP.marker, sharpness=3.0, gullible=True, notices=False)
JUDGES = {"gpt-5-mini": SHARP, "claude-sonnet-4-5": FAVOURS_FIRST, "gemini-2.5-flash": GULLIBLE}


@pytest.fixture
def providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProviders]:
    with FakeProviders(Scene(judges=JUDGES, judge=SHARP)) as providers:
        for name, value in {
            **providers.environment(),
            "PAIRMARK_HOME": str(tmp_path / "home"),
            "COLUMNS": "120",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PAIRMARK_DATABASE", "postgresql://nobody@127.0.0.1:1/nothing")  # these commands need none
        yield providers


def test_a_judge_that_works_is_said_to_work_and_what_it_cost(providers: FakeProviders) -> None:
    done = run("judge", "check", A, "--json")
    assert done.code == 0, done.err
    told = done.document()
    assert told["works"] is True
    assert (told["model"], told["provider"]) == ("gpt-5-mini", "openai")
    assert told["input_tokens"] == providers.book.entries[0].input_tokens
    assert 0 < told["cost"] < 0.01
    assert len(providers.book.entries) == 1
    assert "genai-prices" in run("judge", "check", A).out


@pytest.mark.parametrize("judge", ["surface", "simulated:seed=1"])
def test_judges_without_a_network_can_be_checked_too(providers: FakeProviders, judge: str) -> None:
    assert run("judge", "check", judge).code == 0
    assert providers.book.entries == []


FAULTS: list[tuple[str, str, int, tuple[str, ...]]] = [
    ("key", A, 75, ("key", "OPENAI_API_KEY")),
    ("no_model", A, 75, ("gpt-5-mini",)),
    ("quota", A, 75, ("quota",)),
    ("no_schema", A, 75, ("structured output",)),
    ("key", B, 75, ("key", "ANTHROPIC_API_KEY")),
    ("no_model", C, 75, ("gemini-2.5-flash",)),
]


@pytest.mark.parametrize(("rule", "judge", "code", "said"), FAULTS)
def test_what_is_wrong_is_said_in_words(
    providers: FakeProviders, rule: str, judge: str, code: int, said: tuple[str, ...]
) -> None:
    providers.play(rule)
    refused = run("judge", "check", judge).refused(*said, code=code)
    assert "key-of" not in refused


def test_nobody_there_no_key_and_a_wrong_name_are_told_apart(
    providers: FakeProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("judge", "check", "http://127.0.0.1:9/v1#m").refused("127.0.0.1:9", "cannot be reached", code=75)
    run("judge", "check", "openai").refused("names no model", "openai:MODEL")
    run("judge", "check", "https://example.org/v1#m", "--local-only").refused("must not leave this machine")
    monkeypatch.delenv("OPENAI_API_KEY")
    run("judge", "check", A).refused("There is no key for OpenAI", "OPENAI_API_KEY")
    assert providers.book.entries == []


@pytest.mark.parametrize(("rule", "said"), [("refusal", "refused"), ("invalid", "not a valid verdict")])
def test_an_answer_without_a_verdict_is_code_1(providers: FakeProviders, rule: str, said: str) -> None:
    providers.play(rule)
    done = run("judge", "check", A)
    assert done.code == 1
    assert "there is no verdict" in done.out
    assert said in done.out


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return texts_file(tmp_path / "texts.csv", ESSAYS)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return people_file(tmp_path / "people.csv", ESSAYS)


def compared(*words: str | Path) -> dict[str, Any]:
    done = run("judge", "compare", *words, "--json")
    assert done.code == 0, done.err
    told: dict[str, Any] = done.document()
    return told


def test_judges_are_compared_over_the_same_pairs_in_both_orders(
    providers: FakeProviders, texts: Path, people: Path, tmp_path: Path
) -> None:
    files = ("--html", tmp_path / "page.html", "--calls", tmp_path / "calls.csv")
    told = compared(texts, "--judge", A, "--judge", B, "--judge", C, "--human", people, "--pairs", str(PAIRS), *files)
    sharp, biased, gullible, control = told["judges"]
    assert {judge["decisions"] for judge in (sharp, biased, gullible)} == {2 * PAIRS}
    assert len(providers.book.entries) == 3 * (2 * PAIRS + 8)
    assert biased["first_seat"]["value"] > 0.65 > 0.6 > sharp["first_seat"]["value"]
    assert biased["flips"]["value"] > 0.3 > sharp["flips"]["value"]
    assert biased["flips"]["pairs"] == PAIRS
    agreement = {frozenset((pair["one"], pair["other"])): pair["agreement"] for pair in told["between"]}
    assert len(agreement) == 3
    assert agreement[frozenset((A, C))]["value"] > agreement[frozenset((A, B))]["value"]
    assert sharp["humans"]["low"] < sharp["humans"]["value"] < sharp["humans"]["high"]
    assert sharp["humans"]["value"] > biased["humans"]["value"]
    assert control["control"]
    assert control["humans"]["value"] < sharp["humans"]["value"]
    assert [canary["passed"] for canary in sharp["canaries"]] == [True] * 4
    assert "injection" in {canary["kind"] for canary in gullible["canaries"] if not canary["passed"]}
    assert told["spent"] == pytest.approx(sum(judge["cost"] for judge in told["judges"])) != 0
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(providers.book.entries)
    assert sum(float(row["cost"]) for row in rows) == pytest.approx(told["spent"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for promised in (A, B, C, "counting words (control)", "Agreement over the same pairs", "injection", "people.csv"):
        assert promised in page, promised
    assert "key-of" not in page
    assert not (tmp_path / "home").exists()


def test_the_comparison_on_a_terminal_names_judges_by_letters(
    providers: FakeProviders, texts: Path, people: Path
) -> None:
    done = run("judge", "compare", texts, "--judge", A, "--judge", B, "--human", people, "--pairs", "5")
    assert done.code == 0, done.err
    for promised in (
        f"A             {A}",
        "A and B",
        "Turned with the order",
        "Agrees with people",
        "Spent: $",
        "Nothing of this",
    ):
        assert promised in done.out, promised


def test_the_same_seed_asks_the_same_pairs(providers: FakeProviders, texts: Path, tmp_path: Path) -> None:
    def asked(seed: int, name: str) -> set[tuple[str, str]]:
        compared(texts, "--judge", "simulated:seed=1", "--pairs", "6", "--seed", str(seed), "--calls", tmp_path / name)
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            return {(row["first"], row["second"]) for row in csv.DictReader(file)}

    first = asked(1, "a.csv")
    assert len(first) == 12
    assert {(b, a) for a, b in first} == first
    assert asked(1, "b.csv") == first != asked(2, "c.csv")


def test_a_spend_limit_stops_cleanly_and_what_was_answered_is_compared(providers: FakeProviders, texts: Path) -> None:
    told = compared(texts, "--judge", A, "--pairs", "28", "--spend-limit", "0.02")
    answered = told["judges"][0]["decisions"]
    assert told["spent"] == pytest.approx(told["judges"][0]["cost"])
    assert 8 < answered < 2 * 28  # after the canaries; many a call, though each may cost a third of the limit
    assert 0.01 < told["spent"] <= 0.02
    assert f"after {answered} of 56 questions" in told["stopped"]
    assert len(providers.book.entries) == answered + 8
    enough = compared(texts, "--judge", A, "--pairs", "28", "--spend-limit", "1")
    assert (enough["stopped"], enough["judges"][0]["decisions"]) == ("", 56)


def test_a_judge_that_fails_costs_the_others_nothing(providers: FakeProviders, texts: Path) -> None:
    providers.play("key for claude-sonnet-4-5")
    done = run("judge", "compare", texts, "--judge", A, "--judge", B, "--pairs", str(PAIRS))
    done.refused("key", "ANTHROPIC_API_KEY", code=75)
    assert len([entry for entry in providers.book.entries if entry.charged]) <= 1


def test_failures_are_counted_by_kind_and_decide_nothing(providers: FakeProviders, texts: Path) -> None:
    providers.play("40% refusal")
    told = compared(texts, "--judge", A, "--pairs", str(PAIRS))
    judge = told["judges"][0]
    assert judge["failures"]["refused"] > 0
    assert judge["decisions"] + sum(judge["failures"].values()) == 2 * PAIRS


def test_votes_are_not_held_against_themselves_in_silence(providers: FakeProviders) -> None:
    told = compared(TEXTS, "--judge", f"replay:{VOTES}", "--human", VOTES, "--pairs", "30")
    assert told["among_humans"]["pairs"] > 100
    assert any("are among the judgements of people" in warning for warning in told["warnings"])
    assert T31 in TEXTS.parents


REFUSED: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("--judge", A, "--judge", A), ("is named twice",)),
    (("--judge", A, "--pairs", "0"), ("0 pairs cannot be compared",)),
    (("--judge", A, "--spend-limit", "-1"), ("spend limit of -1",)),
    (("--judge", "openai:of-my-own", "--spend-limit", "1"), ("price of openai:of-my-own is not known",)),
    (("--judge", A, "--human", "none.csv"), ("none.csv",)),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_cannot_be_compared_is_refused(
    providers: FakeProviders, texts: Path, options: tuple[str, ...], said: tuple[str, ...]
) -> None:
    run("judge", "compare", texts, *options).refused(*said)
    assert providers.book.entries == []
