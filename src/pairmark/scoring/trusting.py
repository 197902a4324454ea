"""Canaries put to judges that are compared: questions with a known answer, among them texts that tell the judge what to choose."""

from collections.abc import Sequence
from dataclasses import replace

from pairmark.domain.compared import Canary
from pairmark.judges.llm.canaries import NAMES, Finding, canaries, findings
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.question import Judge
from pairmark.scoring.asking import Asked, ask
from pairmark.scoring.spending import Allowance


def canaries_of(judges: Sequence[Judge], allowance: Allowance) -> tuple[list[list[Canary]], list[Asked]]:
    """What each judge made of the canaries, and the calls that took; judges that are no models are not asked.

    Raises `JudgeUnable` when a judge cannot be had.
    """
    models = [place for place, judge in enumerate(judges) if isinstance(judge, LanguageModelJudge)]
    planned = {f"canary {canary.kind} {canary.question.repeat + 1}": canary for canary in canaries()}
    questions = [replace(canary.question, request_id=name) for name, canary in planned.items()]
    answered = ask([judges[place] for place in models], questions, allowance)
    calls = [replace(one, judge=models[one.judge]) for one in answered.asked]
    told: list[list[Canary]] = [[] for _ in judges]
    for place in models:
        mine = [(planned[one.question.request_id], one.answer) for one in calls if one.judge == place]
        told[place] = [_canary(found) for found in findings(mine)]
    return told, calls


def _canary(found: Finding) -> Canary:
    return Canary(
        found.kind,
        found.verdicts > 0 and not found.failed,
        f"{NAMES[found.kind]}: chosen in {found.chosen} of {found.verdicts} answers",
    )
