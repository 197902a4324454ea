"""Collecting what every service believes about one batch into the one result that all reports are rendered from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any
from uuid import UUID

from pairmark.audit.selfcheck import event_counts, self_check
from pairmark.bootstrap import System
from pairmark.domain.length import LengthDependence
from pairmark.domain.result import Agreement, AssessmentResult, EssayScore, HeldText, WaveProgress
from pairmark.domain.statuses import Status
from pairmark.errors import BadRequest
from pairmark.events.catalogue import ComparisonResult
from pairmark.messaging import held, outbox
from pairmark.outcome.panel import Panel, panel_of
from pairmark.outcome.provenance import provenance
from pairmark.scoring.people import People
from pairmark.services.assessment.batches import Batch
from pairmark.services.assessment.queries import StoredResult
from pairmark.services.assessment.review_queue import Held
from pairmark.stats.errors import StatsError
from pairmark.storage.connection import execute
from pairmark.storage.schema import SERVICES

Groups = Iterable[Iterable[str]]
"""Ids of essays whose texts are the same."""
SETTLING_SECONDS = 60.0
"""How long after its end the events of a batch may still be on their way; later ones count as lost."""
Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Comparand:
    """A score column that came with the texts, to compare ranks with."""

    column: str
    scores: Mapping[str, float]
    smaller_is_better: bool


def settled(system: System, batch: Batch) -> bool:
    """Whether every service has applied the end of this batch and nothing about it is still on its way."""
    lifecycle = system.lifecycle.view(batch.entity_id)
    if lifecycle is not None and lifecycle["phase"] == "requested":
        return False
    if system.results.view(str(batch.id))["outcome"] is None:
        return False
    if system.entitlements.view(str(batch.id))["state"] in {"open", "none"}:
        return False
    return _unpublished(system, batch) == 0 and not _undelivered(system, batch)


def _undelivered(system: System, batch: Batch) -> bool:
    """Whether a message about the batch still waits for any group on the local transport, as the self-check would find it."""
    with system.database.transaction("transport") as tx:
        query = "SELECT 1 FROM delivery WHERE event_key = ANY(%s) LIMIT 1"
        return bool(execute(tx, query, [[str(batch.id), batch.entity_id]]))


@dataclass(frozen=True)
class Obstacle:
    """A message about a batch that a service could not handle. `lasting`: nothing will try it again by itself."""

    sentence: str
    lasting: bool


def in_the_way(system: System, job_id: str, entity_id: str) -> Obstacle | None:
    """What keeps this batch from going on, or None."""
    for schema in SERVICES:
        for topic, attempts, next_attempt, cause in held.set_aside(system.database, schema, [job_id, entity_id]):
            what = f"{schema} could not handle {topic} of this batch ({cause})"
            if next_attempt is not None:
                return Obstacle(
                    f"{what}; attempt {attempts + 1} follows at {next_attempt:%H:%M:%S} UTC.", lasting=False
                )
            again = f"`pairmark retry {job_id[:8]}` tries it again."
            return Obstacle(f"{what} in {attempts} attempts and set it aside; {again}", lasting=True)
        for topic, cause in held.unusable(system.database, schema, [job_id, entity_id], ComparisonResult.topic):
            return Obstacle(
                f"{schema} cannot read {topic} of this batch ({cause}); it is kept in the quarantine.", lasting=True
            )
    asked, most = system.admission.standing()
    if asked >= most and system.assessment.batch(UUID(job_id)) is None:
        sentence = f"Requests wait: judges have {asked:,} questions before them; from {most:,} on none is taken in"
        return Obstacle(f"{sentence} (PAIRMARK_OPEN_QUESTIONS).", lasting=False)
    awaited = system.assessment.awaited(UUID(job_id))
    return Obstacle(f"{awaited}; they are asked for again.", lasting=False) if awaited else None


def _unpublished(system: System, batch: Batch) -> int:
    waiting = 0
    for schema in SERVICES:
        with system.database.transaction(schema) as tx:
            waiting += outbox.unpublished_count(tx, [str(batch.id), batch.entity_id])
    return waiting


def collect(
    system: System,
    batch_id: UUID,
    identical: Groups = (),
    comparand: Comparand | None = None,
    notes: Sequence[str] = (),
    *,
    people: People | None = None,
) -> AssessmentResult:
    """The result of a batch as it stands now; scores only if it is complete. `notes` join its warnings.

    `people` are judgements of people from elsewhere; where there are none, those of the batch's own human judges stand in.
    """
    stored = system.assessment.result(batch_id)
    if stored is None:
        raise BadRequest(f"There is no batch {batch_id}.", remedy="`pairmark status` lists what there is.")
    obstacle = in_the_way(system, str(batch_id), stored.batch.entity_id)
    warnings = [*_warnings(stored), *notes, *([obstacle.sentence] if obstacle is not None else [])]
    return _result(system, stored, identical, comparand, panel_of(system, stored, people), warnings)


def _result(
    system: System, stored: StoredResult, identical: Groups, comparand: Comparand | None, panel: Panel, notes: list[str]
) -> AssessmentResult:
    batch, essays = stored.batch, _essays(stored)
    counted = batch.counted + batch.reused
    account = system.entitlements.view(str(batch.id))
    return AssessmentResult(
        batch_id=str(batch.id),
        entity_id=batch.entity_id,
        name=batch.design.name,
        status=batch.status,
        stop_reason=batch.stop_reason or "",
        error=batch.error,
        essays=essays,
        reliability=_reliability(stored),
        ssr=stored.ssr,
        comparisons=counted,
        waves=batch.wave,
        comparisons_per_essay=_per_essay(batch, essays, counted),
        convergence=[WaveProgress(*row) for row in stored.waves if row[0] > 0 or row[2] is not None],
        judges=panel.judges,
        services=_services(system, batch, account),
        events=event_counts(system.database, [str(batch.id), batch.entity_id]),
        credits={key: account[key] for key in ("reserved", "charged", "released", "balance")} | {"unit": "credit"},
        self_check=_self_check(system, batch),
        provenance=provenance(system, stored),
        identical_texts=[list(group) for group in identical],
        agreement=_agreement(essays, comparand),
        warnings=notes,
        baseline=batch.design.baseline,
        length=_length(essays),
        held=[_held(row) for row in stored.held],
        cost=system.judging.cost(str(batch.id)),
        humans=panel.humans,
        surface=panel.surface,
    )


def _held(row: Held) -> HeldText:
    ranked = not row.unranked
    return HeldText(
        row.essay_id, row.source, row.kind, row.start, row.end, row.excerpt, row.reason, ranked, row.cleared_by
    )


def _per_essay(batch: Batch, essays: Sequence[EssayScore], counted: int) -> float:
    """Comparisons per essay, of those that were ranked; before there are scores, of all."""
    if essays:
        return sum(essay.comparisons for essay in essays) / len(essays)
    return 2 * counted / batch.essays if batch.essays else 0.0


def _reliability(stored: StoredResult) -> dict[str, Any]:
    target = stored.batch.design.target_reliability
    return {"value": stored.reliability, "method": "empirical-bayes", "target": target}


def _self_check(system: System, batch: Batch) -> dict[str, Any]:
    """The verdict, once nothing is on its way any more: events under way are not lost."""
    if _under_way(system, batch):
        return {"duplicates": None, "lost": None, "charged_twice": None, "findings": [], "state": "under way"}
    return self_check(system.database, [str(batch.id), batch.entity_id]).as_dict()


def _under_way(system: System, batch: Batch) -> bool:
    if not batch.status.is_terminal or batch.finished_at is None:
        return True
    return (system.clock.now() - batch.finished_at).total_seconds() < SETTLING_SECONDS and not settled(system, batch)


def _essays(stored: StoredResult) -> list[EssayScore]:
    return [
        EssayScore(
            essay_id=essay_id,
            rank=rank,
            theta=theta,
            standard_error=error,
            ci_low=theta - Z95 * error,
            ci_high=theta + Z95 * error,
            comparisons=comparisons,
            normalized_score=normalized,
            wins=wins,
            words=words,
        )
        for essay_id, rank, theta, error, comparisons, normalized, wins, words in stored.scores
    ]


def _services(system: System, batch: Batch, account: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "assessment": {"status": batch.status, "budget": batch.budget, "sent": batch.sent, "answered": batch.answered, 
                       "counted": batch.counted, "reused": batch.reused},
        "lifecycle": system.lifecycle.view(batch.entity_id) or {"phase": None, "essays": {}},
        "results": system.results.view(str(batch.id)),
        "entitlements": {key: account[key] for key in ("account", "unlimited", "state")},
    }  # fmt: skip


def _agreement(essays: list[EssayScore], comparand: Comparand | None) -> Agreement | None:
    """Spearman's rank correlation over essays that have both; the sign is turned so that agreement is positive."""
    if comparand is None:
        return None
    pairs = [(essay.theta, comparand.scores[essay.essay_id]) for essay in essays if essay.essay_id in comparand.scores]
    if len(pairs) < 3 or any(len({pair[side] for pair in pairs}) < 2 for side in (0, 1)):
        return None  # without differences there is no order to agree with
    from scipy.stats import spearmanr  # noqa: PLC0415 - slow to import

    rho = float(spearmanr([pair[0] for pair in pairs], [pair[1] for pair in pairs]).statistic)
    return Agreement(comparand.column, -rho if comparand.smaller_is_better else rho, comparand.smaller_is_better)


def _length(essays: list[EssayScore]) -> LengthDependence | None:
    """How far the scores go with the words; None for few essays and where all are equally long or good."""
    from pairmark.stats.length import rank_correlation  # noqa: PLC0415 - only with a result

    try:
        found = rank_correlation([essay.theta for essay in essays], [essay.words for essay in essays])
    except StatsError:
        return None
    return LengthDependence(len(essays), found.value, found.low, found.high)


def _warnings(stored: StoredResult) -> list[str]:
    batch = stored.batch
    warnings = []
    if batch.design.judge.startswith("simulated:"):
        warnings.append("The judge was simulated: scores follow an invented truth and say nothing about these texts.")
    if stored.ssr is not None:
        warnings.append(
            "Pairs were chosen by closeness of score, which inflates SSR; the headline reliability is not affected."
        )
    if stored.held:
        warnings += _about_held(stored)
    if batch.tally.failed:
        warnings.append(f"{batch.tally.failed} of {batch.answered} comparisons brought no verdict and are not counted.")
    if batch.status is Status.COMPLETE_FORCED_RECOVERY:
        warnings.append("The batch was scored past its deadline with the verdicts it had.")
    return warnings


def _about_held(stored: StoredResult) -> list[str]:
    """Which texts wait for a person, and how they get into the ranking."""
    waiting = list(dict.fromkeys(row.essay_id for row in stored.held if row.unranked and row.cleared_at is None))
    cleared = list(dict.fromkeys(row.essay_id for row in stored.held if row.unranked and row.cleared_at is not None))
    short, out = str(stored.batch.id)[:8], []
    if waiting:
        what = (
            "text is held for review and not ranked"
            if len(waiting) == 1
            else "texts are held for review and not ranked"
        )
        out.append(
            f"{len(waiting)} {what}: {_named(waiting)}. Look with `pairmark review list {short}`; nobody is accused of anything."
        )
    if cleared:
        out.append(
            f"Cleared after review, and not in this ranking: {_named(cleared)}. `pairmark retry {short}` ranks all of them."
        )
    return out


def _named(essays: Sequence[str]) -> str:
    more = f" and {len(essays) - 5} more" if len(essays) > 5 else ""
    return ", ".join(essays[:5]) + more
