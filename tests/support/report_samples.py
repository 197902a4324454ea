"""Results of invented batches for the tests of rendering: any size, failed, or full of hostile names."""

import random
from dataclasses import replace
from typing import Any

from pairmark.domain.compared import Between, Canary, ComparedJudge, JudgeComparison
from pairmark.domain.judged import CallsMade, Correlation, Cost, HumanAgreement, Money, Proportion, Surface
from pairmark.domain.result import (
    Agreement,
    AssessmentResult,
    EssayScore,
    HeldText,
    JudgeSummary,
    WaveProgress,
)

HOSTILE_IDS = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "<!-- <script> ]]>",
    '=HYPERLINK("http://evil.example","click")',
    "[bold red]not markup[/bold red]",
    "\x1b[2J\x1b[31mcleared",
    "\u202egnp.yssae",
    "{{ 7 * 7 }} ${7*7} datum['x']",
    "Åsa Öberg, 9B: uppsats om källkritik och demokrati i det digitala samhället, version två (slutlig)",
    "-1.25",
]


def ranked(essays: int = 35, *, seed: int = 7, ids: list[str] | None = None) -> AssessmentResult:
    """A finished batch of `essays` texts with plausible numbers."""
    draw = random.Random(seed)
    names = ids or [f"arg{draw.randrange(10_000, 99_999)}-{number}" for number in range(1, essays + 1)]
    thetas = sorted((draw.gauss(0, 1.3) for _ in names), reverse=True)
    return AssessmentResult(
        batch_id="5b0d6d0e-53c8-5a3c-9d6e-6c1f7d3b2a10",
        entity_id="request-5b0d6d0e",
        name="Founder of Singapore (T31)",
        status="COMPLETE_STABLE",
        stop_reason="reliability_reached",
        error=None,
        essays=[_essay(draw, rank, *pair) for rank, pair in enumerate(zip(names, thetas, strict=True), start=1)],
        reliability={"value": 0.874, "method": "empirical-bayes", "target": 0.85},
        ssr=0.861,
        comparisons=essays * 10,
        waves=10,
        comparisons_per_essay=20.0,
        convergence=[_wave(draw, wave, essays) for wave in range(1, 11)],
        judges=[_judge(draw, number) for number in range(1, 13)],
        services={
            "lifecycle": {"phase": "CJ_ASSESSMENT_COMPLETE", "essays": {"SCORED": essays}},
            "results": {"rows": essays, "published_at": "2026-11-23T10:15:04Z"},
            "entitlements": {"account": "local", "unlimited": True},
        },
        events=_events(),
        credits={
            "reserved": essays * 14,
            "charged": essays * 10,
            "released": essays * 4,
            "balance": -essays * 10,
            "unit": "cj_comparison",
        },
        self_check={"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []},
        provenance=_provenance(),
        identical_texts=[[names[2], names[5]], [names[8], names[9]]] if len(names) > 9 else [],
        agreement=Agreement(column="published_rank_score", spearman=0.917, smaller_is_better=True),
        warnings=["Two pairs of texts are identical word for word."] if len(names) > 9 else [],
    )


def hostile() -> AssessmentResult:
    """Ten essays whose names attack pages, spreadsheets, terminals and templates; so do judge, batch and warning."""
    result = ranked(10, ids=HOSTILE_IDS)
    attack = HOSTILE_IDS[1]
    return replace(
        result,
        name=attack,
        judges=[replace(result.judges[0], judge=attack)],
        warnings=[attack, HOSTILE_IDS[5]],
        agreement=Agreement(column=attack, spearman=-0.2, smaller_is_better=False),
        provenance={attack: attack, "seed": 3},
        identical_texts=[[HOSTILE_IDS[0], HOSTILE_IDS[6]]],
    )


def judged_by_models(essays: int = 12) -> AssessmentResult:
    """A batch judged by two models, one of them suspended, held against people; one essay waits for a person."""
    result = ranked(essays)
    large = JudgeSummary(
        "openai:large", 150, 0.63, 0, 2.1, share=0.75, agreement=0.81, expected_agreement=0.8, both_orders=70, flip_rate=0.18,
        order_effect=0.61, order_effect_se=0.2, infit=0.93, model=True,
        made=CallsMade(160, 150, {"refused": 6, "invalid": 4}, input_tokens=210_000, cached_tokens=70_000, output_tokens=14_000,
                       cost=0.41, canaries=4),
    )  # fmt: skip
    small = JudgeSummary(
        "anthropic:small", 50, 0.49, 0, 0.9, share=0.25, agreement=0.74, expected_agreement=0.79, both_orders=20, flip_rate=0.05,
        order_effect=-0.02, order_effect_se=0.3, infit=1.12, model=True,
        made=CallsMade(55, 50, {"timed_out": 4}, lost=1, unpriced=4, input_tokens=70_000, output_tokens=5_000, cost=0.2,
                       canaries=4, canaries_failed=1, suspended="it chose an empty text over a sound essay."),
    )  # fmt: skip
    people = HumanAgreement(
        "votes.csv", 900, Proportion(0.83, 0.79, 0.87, 180, 95),
        {"anthropic:small": Proportion(0.79, 0.7, 0.86, 45, 30), "openai:large": Proportion(0.84, 0.8, 0.88, 135, 80)},
        Proportion(0.86, 0.82, 0.89, 90, 90), Proportion(0.66, 0.6, 0.71, 95, 95),
    )  # fmt: skip
    return replace(
        result, judges=[large, small], comparisons=200, humans=people,
        surface=Surface(Correlation(0.71, 0.3, 0.9), Correlation(0.74, 0.34, 0.92), Proportion(0.68, 0.6, 0.75, 190, 95)),
        cost=Cost(Money(0.61, 5.0, 0.02), 215, unpriced=4, lost=1),
held=[HeldText("essay-13", "scan", "instruction", 4, 40, HOSTILE_IDS[1], "These words speak to a judge.", False, None),
              HeldText("essay-14", "models", "instructions_found", 0, None, "", "Models said so.", False, "anna")],
    )  # fmt: skip


def compared(*, people: bool = True) -> JudgeComparison:
    """Two models and the control over 40 pairs; one has a hostile name."""
    with_people = Proportion(0.83, 0.72, 0.9, 40, 40) if people else None
    one = ComparedJudge(
        HOSTILE_IDS[0], True, 80, {"refused": 2}, Proportion(0.55, 0.47, 0.63, 80, 40), Proportion(0.1, 0.04, 0.23, 40, 40),
        Proportion(0.6, 0.47, 0.72, 78, 39), with_people, 1.2, calls=90, input_tokens=80_000, output_tokens=5_000, cost=0.11,
        canaries=[Canary("injection", False, "chosen in 2 of 2 answers"), Canary("empty", True)],
    )  # fmt: skip
    other = replace(one, judge="anthropic:small", cost=0.0, unpriced=90, unable="The quota is used up.", canaries=[])
    control = ComparedJudge("surface", False, 40, {}, None, None, None, with_people, None, control=True)
    return JudgeComparison(
        texts=20, pairs=40, seed=1, judges=[one, other, control],
        between=[Between(one.judge, other.judge, Proportion(0.8, 0.68, 0.88, 40, 40))],
        among_humans=Proportion(0.86, 0.8, 0.9, 40, 40) if people else None, human_source="votes.csv" if people else "",
        human_judgements=90 if people else 0, spent=0.11, unpriced=90, spend_limit=1.0, stopped="The spend limit was reached.",
        warnings=[HOSTILE_IDS[1]], provenance={"pairmark": "0.1.0", "judges": {one.judge: "ab", other.judge: "cd"}},
    )  # fmt: skip


def failed() -> AssessmentResult:
    """A batch that ended in ERROR_PROCESSING: no essays, nothing charged."""
    return _without_scores("ERROR_PROCESSING", "credits_refused", "The account local has 12 credits and needs 350.")


def cancelled() -> AssessmentResult:
    """A batch that somebody cancelled."""
    return _without_scores("CANCELLED", "cancelled", None)


def single() -> AssessmentResult:
    """A batch of one text."""
    result = ranked(1)
    essay = EssayScore("only-one", 1, 0.0, float("inf"), float("-inf"), float("inf"), 0, 0.5, 0.0, 212)
    return replace(
        result,
        status="COMPLETE_INSUFFICIENT_ESSAYS",
        stop_reason="insufficient_essays",
        essays=[essay],
        reliability={"value": None, "method": "empirical-bayes", "target": 0.85},
        ssr=None,
        comparisons=0,
        waves=0,
        comparisons_per_essay=0.0,
        convergence=[],
        judges=[],
        agreement=None,
    )


def judgements(rows: int = 3) -> list[dict[str, object]]:
    """Rows as the journal of answers gives them."""
    return [
        {
            "comparison": f"c{number}",
            "wave": 1,
            "first": "=1+1" if number == 0 else "a",
            "second": "b",
            "winner": ("first", "second", "tie")[number % 3],
            "swapped": bool(number % 2),
            "judge": "@judge",
            "kind": "verdict",
            "counted": True,
            "recorded_at": "2026-11-23T10:15:00Z",
            "response_time_ms": None if number == 0 else 1200,
        }
        for number in range(rows)
    ]


def _without_scores(status: str, reason: str, error: str | None) -> AssessmentResult:
    return replace(
        ranked(35),
        status=status,
        stop_reason=reason,
        error=error,
        essays=[],
        reliability={"value": None, "method": "empirical-bayes", "target": 0.85},
        ssr=None,
        comparisons=0,
        waves=0,
        comparisons_per_essay=0.0,
        convergence=[],
        judges=[],
        services={
            "lifecycle": {"phase": "CJ_ASSESSMENT_FAILED", "essays": {"CJ_FAILED": 35}},
            "results": {"rows": 0, "published_at": None},
            "entitlements": {"account": "local", "unlimited": False},
        },
        events={"huleedu.cj_assessment.failed.v1": 1},
        credits={"reserved": 490, "charged": 0, "released": 490, "balance": 12, "unit": "cj_comparison"},
        identical_texts=[],
        agreement=None,
        warnings=[],
    )


def _essay(draw: random.Random, rank: int, essay_id: str, theta: float) -> EssayScore:
    error = draw.uniform(0.35, 0.6)
    wins = round(20 / (1 + 2.718 ** (-theta)) * 2) / 2
    score = min(1.0, max(0.0, 0.5 + theta / 6))
    return EssayScore(
        essay_id,
        rank,
        theta,
        error,
        theta - 1.96 * error,
        theta + 1.96 * error,
        20,
        score,
        wins,
        draw.randrange(20, 320),
    )


def _wave(draw: random.Random, wave: int, essays: int) -> WaveProgress:
    change = None if wave == 1 else 1.4 / wave * draw.uniform(0.8, 1.2)
    return WaveProgress(wave, wave * essays, 1 - 0.62 / wave**0.7, change)


def _judge(draw: random.Random, number: int) -> JudgeSummary:
    return JudgeSummary(f"voter-{number:03d}", draw.randrange(9, 60), draw.uniform(0.4, 0.6), draw.randrange(4), 21.5)


def _events() -> dict[str, int]:
    return {
        "huleedu.cj_assessment.completed.v1": 1,
        "huleedu.assessment.result.published.v1": 1,
        "huleedu.resource.consumption.v1": 1,
        "huleedu.els.batch.phase.outcome.v1": 1,
        "huleedu.llm_provider.comparison_result.v1": 350,
        "pairmark.judging.requested.v1": 10,
        "pairmark.credits.reserve.requested.v1": 1,
        "pairmark.credits.reserve.granted.v1": 1,
    }


def _provenance() -> dict[str, Any]:
    return {
        "pairmark": "0.1.0",
        "python": "3.11.7",
        "seed": 1,
        "judge": "replay:votes.csv",
        "input_digest": "9f2c4be1d3a07a55c6b8e7f1024d9a3b7c5e6f8091a2b3c4d5e6f708192a3b4c",
        "tolerance": 1e-9,
    }
