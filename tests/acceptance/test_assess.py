"""`pairmark assess` as people run it: real texts with recorded votes, a known truth with its faults, and the baseline."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import TEXTS, VOTES, Done, Pairmark, data_folder, essays, write_texts

COMPLETED = "huleedu.cj_assessment.completed.v1"
KEYS = {"batch_id", "status", "essays", "reliability", "ssr", "comparisons", "waves", "events", "credits", "self_check"}
ESSAY_KEYS = {"essay_id", "rank", "theta", "standard_error", "ci_low", "ci_high", "comparisons"}
CLEAN = {"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []}


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("t31") / "deep" / "out"


@pytest.fixture(scope="module")
def t31(pairmark: Pairmark, out: Path) -> Done:
    """The 35 arguments judged with the votes that people gave."""
    words = ("--compare", "published_rank_score", "--smaller-is-better", "--name", "demo", "--out", out)
    done = pairmark.run("assess", TEXTS, "--judge", f"replay:{VOTES}", *words)
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def result(t31: Done, out: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return written


def test_the_result_has_every_key_that_was_promised(result: dict[str, Any]) -> None:
    assert {*KEYS, "provenance"} <= result.keys()
    assert all(essay.keys() >= ESSAY_KEYS for essay in result["essays"])
    assert result["reliability"].keys() >= {"value", "method"}
    assert result["credits"].keys() >= {"reserved", "charged", "released", "balance"}
    assert result["self_check"] == CLEAN


def test_35_texts_are_ranked_from_350_votes_in_the_published_order(result: dict[str, Any]) -> None:
    assert result["status"] == "COMPLETE_MAX_COMPARISONS"
    assert (len(result["essays"]), result["comparisons"], result["waves"]) == (35, 350, 10)
    assert sorted(essay["rank"] for essay in result["essays"]) == list(range(1, 36))
    assert result["agreement"]["spearman"] >= 0.8
    assert 0.7 < result["reliability"]["value"] < 0.9
    assert all(essay["ci_low"] < essay["theta"] < essay["ci_high"] for essay in result["essays"])
    assert sum(essay["comparisons"] for essay in result["essays"]) == 2 * 350


def test_every_fact_was_announced_once_and_the_batch_charged_once(result: dict[str, Any]) -> None:
    once = [COMPLETED, "huleedu.assessment.result.published.v1", "huleedu.resource.consumption.v1"]
    once += ["huleedu.els.cj_assessment.requested.v1", "huleedu.els.batch.phase.outcome.v1"]
    once += ["pairmark.credits.reserve.requested.v1", "pairmark.credits.reserve.granted.v1"]
    counted = {"huleedu.llm_provider.comparison_result.v1": 350, "pairmark.judging.requested.v1": result["waves"]}
    assert result["events"] == {**dict.fromkeys(once, 1), **counted}
    credit = result["credits"]
    assert (credit["reserved"], credit["charged"], credit["released"]) == (350, 350, 0)
    assert result["services"]["lifecycle"]["phase"] == "completed"
    assert result["services"]["results"]["rows"] == 35


def test_three_pairs_of_identical_texts_are_named_aloud(t31: Done, result: dict[str, Any]) -> None:
    pairs = [["arg167721", "arg168788"], ["arg168769", "arg168771"], ["arg168803", "arg168814"]]
    assert result["identical_texts"] == pairs
    assert all(f"{first} = {second}" in t31.out for first, second in pairs)


def test_every_judgement_is_a_recorded_vote_with_its_sides(result: dict[str, Any], out: Path) -> None:
    with (out / "judgements.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with VOTES.open(encoding="utf-8") as file:
        votes = [(vote["judge"], frozenset((vote["left"], vote["right"]))) for vote in csv.DictReader(file)]
    assert len(rows) == result["comparisons"]
    judged = [(row["judge"], frozenset((row["first"], row["second"]))) for row in rows]
    assert all(judged.count(vote) <= votes.count(vote) for vote in set(judged))


def test_the_files_are_there_and_named_at_the_end(t31: Done, out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == [
        "judgements.csv",
        "report.html",
        "results.csv",
        "results.json",
    ]
    assert f"Written to {out}: report.html, results.csv, results.json, judgements.csv" in t31.out
    with (out / "results.csv").open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 35
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "arg168795" in page
    assert 'src="http' not in page


def test_the_end_on_the_terminal_tells_all_that_was_promised(t31: Done) -> None:
    for promised in (
        "95 % interval", "Reliability", "20.0 per essay", "Spearman 0.", "completed; essays: 35", "35 rows",
        "reserved 350, charged 350, released 0, balance", "0 duplicates, 0 lost, 0 charged twice", COMPLETED,
    ):  # fmt: skip
        assert promised in t31.out


def test_the_same_command_again_shows_the_stored_result(pairmark: Pairmark, result: dict[str, Any]) -> None:
    words = ("assess", TEXTS, "--judge", f"replay:{VOTES}", "--compare", "published_rank_score", "--smaller-is-better")
    done = pairmark.run(*words, "--name", "demo", "--json")
    assert done.code == 0
    assert done.document() == result
    assert "This batch ended" in done.err
    assert "its stored result follows" in done.err


def test_another_seed_name_or_user_is_another_batch(pairmark: Pairmark, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts.csv", essays(4))
    words = ("assess", texts, "--judge", "simulated:seed=1")
    variants: list[tuple[str, ...]] = [
        (),
        ("--seed", "2"),
        ("--name", "b"),
        ("--user", "u"),
        ("--comparisons-per-essay", "4"),
    ]
    ids = [pairmark.json(*words, *variant)["batch_id"] for variant in variants]
    assert len(set(ids)) == len(variants)
    assert pairmark.json(*words)["batch_id"] == ids[0]


def test_a_simulated_judge_with_all_its_faults_still_ends_in_a_ranking(pairmark: Pairmark, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts.csv", essays(10))
    judge = "simulated:sd=1,seed=3,order_bias=3,fail=0.1,delay_ms=2"
    result = pairmark.json("assess", texts, "--judge", judge, "--comparisons-per-essay", "6")
    assert result["status"].startswith("COMPLETE_")
    assert result["self_check"] == CLEAN
    assert result["credits"]["charged"] == result["comparisons"] <= 30
    assert result["judges"][0]["first_seat_share"] > 0.5
    assert any("simulated" in warning for warning in result["warnings"])


def test_the_baseline_is_labelled_wherever_it_is_shown(pairmark: Pairmark, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts.csv", essays(5))
    done = pairmark.run("assess", texts, "--judge", "surface", "--out", tmp_path / "out")
    assert done.code == 0
    label = "surface baseline: counts words, never grades"
    assert label in done.out
    assert label in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    result = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert result["baseline"] is True


def test_a_judge_that_never_answers_ends_the_batch_without_a_charge(pairmark: Pairmark, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "texts.csv", essays(4))
    done = pairmark.run("assess", texts, "--judge", "simulated:seed=1,fail=1", "--json")
    result = done.document()
    assert done.code == 1
    assert result["status"].startswith("ERROR_")
    assert result["essays"] == []
    assert result["credits"]["charged"] == 0
    assert result["self_check"] == CLEAN
    assert result["error"] in done.err


def test_one_text_is_a_batch_of_its_own_status(pairmark: Pairmark, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "only.txt").write_text("The only text there is.", encoding="utf-8")
    done = pairmark.run("assess", tmp_path / "in", "--judge", "simulated:seed=1", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert result["status"] == "COMPLETE_INSUFFICIENT_ESSAYS"
    assert (result["comparisons"], result["credits"]["charged"]) == (0, 0)
    assert result["events"][COMPLETED] == 1
    assert "there were fewer than two texts to compare" in done.out
    assert "fewer than two texts" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_folder_of_texts_in_any_script_is_ranked(pairmark: Pairmark, tmp_path: Path) -> None:
    texts = {
        "anna": "\u0634\u0643\u0631\u0627 \u200f\u062c\u0632\u064a\u0644\u0627",
        "béla": "Grüße, naïve Façade",
        "陳": "水は高きより低きに流る",
        "d'or": "=SUM(A1:A9)",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    result = pairmark.json("assess", tmp_path, "--judge", "simulated:seed=1", "--out", tmp_path / "out")
    assert {essay["essay_id"] for essay in result["essays"]} == texts.keys()


def test_ids_that_look_like_formulas_do_nothing_in_a_spreadsheet(pairmark: Pairmark, tmp_path: Path) -> None:
    ids = ['=HYPERLINK("x")', "+1", "-1", "@a"]
    texts = write_texts(tmp_path / "texts.csv", [(name, f"Text of {name}.") for name in ids])
    result = pairmark.json("assess", texts, "--judge", "simulated:seed=1", "--out", tmp_path / "out")
    assert {essay["essay_id"] for essay in result["essays"]} == set(ids)
    for name in ("results.csv", "judgements.csv"):
        with (tmp_path / "out" / name).open(encoding="utf-8-sig") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(("=", "@")) for cell in cells)
