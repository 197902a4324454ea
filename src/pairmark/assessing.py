"""The main job as a function: read texts, submit them, run until the batch has ended and every service knows, collect the result.

The command line is a thin layer over this; it adds progress on the screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TypedDict, Unpack
from uuid import UUID

import msgspec

from pairmark.bootstrap import System, judge_for
from pairmark.config import load
from pairmark.domain.result import AssessmentResult
from pairmark.domain.stopping import MOST_ESSAYS, largest_budget
from pairmark.errors import BadRequest
from pairmark.events.catalogue import Design, EssayRef
from pairmark.judges.question import Judge, Question
from pairmark.judges.spec import parse_judge
from pairmark.messaging import held
from pairmark.opening import open_system
from pairmark.outcome import Comparand, collect
from pairmark.reading.texts import TextCollection, read_texts
from pairmark.services.assessment.again import again
from pairmark.services.assessment.batches import Batch
from pairmark.services.lifecycle.front_desk import Request, Ticket
from pairmark.watch import OnProgress, Progress, run

__all__ = ["Choices", "OnProgress", "Progress", "assess", "prepare", "retry", "run", "submit"]

LOCAL_USER = "local"
MOST_COMPARISONS = 2_000_000
LONGEST_LABEL = 200
LARGEST_SEED = 2**63 - 1
MOST_DOLLARS = 1_000_000


class Choices(TypedDict, total=False):
    """What may be chosen about a batch besides its texts and judge; the command line has an option for each.

    `budget`: most comparisons to send (default `comparisons_per_essay` x essays / 2). `target_reliability`: stop once reached.
    `compare`: a numeric column that came with the texts, to report rank agreement with. `organisation`, `user`: who pays.
    `spend_limit`: the most that judges may cost, in US dollars; the same call with a higher one goes on.
    """

    name: str
    seed: int
    budget: int | None
    comparisons_per_essay: int
    target_reliability: float | None
    id_column: str | None
    text_column: str | None
    compare: str | None
    smaller_is_better: bool
    organisation: str | None
    user: str
    spend_limit: float | None


@dataclass(frozen=True)
class Prepared:
    """Texts that were read, and the request they make."""

    texts: TextCollection
    design: Design
    comparand: Comparand | None
    user: str
    organisation: str | None


def assess(
    path: str | Path,
    *,
    judge: str,
    out: str | Path | None = None,
    database: str | None = None,
    home: str | Path | None = None,
    on_progress: OnProgress | None = None,
    **choices: Unpack[Choices],
) -> AssessmentResult:
    """Rank the texts at `path` (a folder or a CSV file) with `judge` and return the result.

    With `out`, `report.html`, `results.csv`, `results.json` and `judgements.csv` are written there. `database` is a PostgreSQL
    URL; without it an embedded server keeps its data under `home`. The same call again returns the stored result, or goes on
    where an interrupted one stopped. Raises `BadRequest` for input that cannot be used and `Busy` when the database cannot be
    had. A batch that ends without a result is returned with its `status` and `error`.
    """
    config = load(database=database)
    if home is not None:
        config = replace(config, home=Path(home).absolute())
    prepared = prepare(Path(path), judge, choices)
    if out is not None:
        from pairmark.report.write import check_writable, write_report  # noqa: PLC0415 - only with `out`

        check_writable(Path(out))
    with open_system(config, takes_road=True) as system:
        ticket = submit(system, prepared)
        run(system, ticket, on_progress)
        result = collect(system, ticket.job_id, prepared.texts.identical, prepared.comparand, left_out(prepared.texts))
        if out is not None:
            write_report(result, system.assessment.judgements(ticket.job_id), Path(out))
    return result


def prepare(path: Path, judge: str, choices: Choices) -> Prepared:
    """Read and check everything that can be checked before a database is touched."""
    spec = parse_judge(judge)
    compare = choices.get("compare")
    texts = read_texts(
        path,
        id_column=choices.get("id_column"),
        text_column=choices.get("text_column"),
        compare_column=compare,
    )
    ids = [text.essay_id for text in texts.texts]
    if len(ids) > MOST_ESSAYS:
        raise BadRequest(f"{path} holds {len(ids)} texts; one batch takes at most {MOST_ESSAYS}.", remedy="Split it.")
    asked = judge_for(spec.canonical, spec.digest)
    asked.check(ids)
    _check_prices(asked, choices.get("spend_limit"), [text.text for text in texts.texts[:2]])
    design = Design(
        name=_label("name", choices.get("name", "")),
        judge=spec.canonical,
        judge_digest=spec.digest,
        seed=_seed(choices.get("seed", 1)),
        budget=_budget(choices.get("budget"), len(ids)),
        comparisons_per_essay=_per_essay(choices.get("comparisons_per_essay", 20), len(ids)),
        target_reliability=_target(choices.get("target_reliability")),
        baseline=not asked.may_grade,
        pair_limit=min(Design().pair_limit, getattr(asked, "most_repeats", Design().pair_limit)),
        spend_limit=_spend_limit(choices.get("spend_limit")),
    )
    comparand = None
    if compare is not None:
        scores = {text.essay_id: text.compare for text in texts.texts if text.compare is not None}
        comparand = Comparand(compare, scores, choices.get("smaller_is_better", False))
    user = _label("user", choices.get("user") or LOCAL_USER)
    organisation = _label("organisation", choices.get("organisation") or "") or None
    return Prepared(texts, design, comparand, user, organisation)


def _label(option: str, text: str) -> str:
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise BadRequest(
            f"The {option} {text[:40]!a} is not usable.",
            remedy=f"Give --{option} at most {LONGEST_LABEL} printable characters.",
        )
    return text


def _seed(seed: int) -> int:
    if not 0 <= seed <= LARGEST_SEED:
        raise BadRequest(
            f"The seed {seed} is out of range.", remedy=f"Give --seed a whole number from 0 to {LARGEST_SEED}."
        )
    return seed


def _budget(budget: int | None, essays: int) -> int:
    if budget is None:
        return 0
    least = max(essays - 1, 0)
    if budget < max(least, 1):
        raise BadRequest(
            f"A budget of {budget} comparisons cannot connect {essays} texts.",
            remedy=f"Give --budget {max(least, 1)} or more.",
        )
    if budget > MOST_COMPARISONS:
        raise BadRequest(
            f"A budget of {budget} comparisons is over the limit of {MOST_COMPARISONS:,}.",
            remedy=f"Give --budget {MOST_COMPARISONS} or less.",
        )
    return min(budget, max(largest_budget(essays, Design().pair_limit), 1))


def _per_essay(count: int, essays: int) -> int:
    if count < 2 and essays > 1:
        raise BadRequest(
            f"{count} comparisons per essay cannot connect the texts.", remedy="Give --comparisons-per-essay 2 or more."
        )
    if count * essays > 2 * MOST_COMPARISONS:
        raise BadRequest(
            f"{count} comparisons per essay are too many for {essays} texts: together over {MOST_COMPARISONS:,} comparisons.",
            remedy="Give --comparisons-per-essay a smaller number.",
        )
    return count


def _target(target: float | None) -> float | None:
    if target is not None and not 0 < target < 1:
        raise BadRequest(
            f"A target reliability of {target} cannot be reached.",
            remedy="Give --target-reliability a number between 0 and 1, such as 0.9.",
        )
    return target


def _spend_limit(limit: float | None) -> float | None:
    if limit is not None and not 0 < limit <= MOST_DOLLARS:
        raise BadRequest(
            f"A spend limit of {limit} US dollars allows nothing that could be asked.",
            remedy=f"Give --spend-limit a number above 0, at most {MOST_DOLLARS:,}.",
        )
    return limit


def _check_prices(judge: Judge, limit: float | None, texts: Sequence[str]) -> None:
    """A limit can only be kept where it is known what the next call may cost."""
    if limit is None or len(texts) < 2:
        return
    question = Question("", "first", "second", texts[0], texts[1], repeat=0, attempt=1)
    for one in getattr(judge, "models", (judge,)):
        forecast = one.forecast(question) if hasattr(one, "forecast") else None
        if forecast is not None and forecast.cost is None:
            raise BadRequest(
                f"The price of {forecast.judge} is not known, so a spend limit cannot be kept.",
                remedy="Leave --spend-limit out, or name a judge whose price is known.",
            )


def submit(system: System, prepared: Prepared) -> Ticket:
    """Store the texts and hand the request in; the same request again finds its batch (G13).

    Where nobody has opened an account yet, the first request opens the one without limit.
    """
    system.accounts.ensure_default()
    ids = [text.essay_id for text in prepared.texts.texts]
    storage = system.texts.put([text.text for text in prepared.texts.texts])
    essays = [EssayRef(essay_id=essay, text_storage_id=key) for essay, key in zip(ids, storage, strict=True)]
    identity = msgspec.to_builtins(msgspec.structs.replace(prepared.design, judge=""))
    del identity["spend_limit"]  # it may be raised: the batch stays the same
    digest = sha256(
        b"\x1f".join(
            [
                prepared.texts.digest.encode(),
                msgspec.json.encode(identity),
                f"{prepared.organisation}\x1f{prepared.user}".encode(),
            ]
        )
    ).hexdigest()
    request = Request(digest, essays, prepared.design, prepared.user, prepared.organisation)
    ticket = system.front_desk.submit(request)
    system.asker.offer(prepared.design.judge, prepared.design.judge_digest)
    if prepared.design.spend_limit is not None:
        system.asker.allow(str(ticket.job_id), prepared.design.spend_limit)
    if not ticket.opened:
        revive(system, ticket.job_id, ticket.entity_id)
    return ticket


def left_out(texts: TextCollection) -> list[str]:
    """What lay beside the texts and was not read, in one sentence, if anything did."""
    named = ", ".join(texts.ignored[:5])
    more = f" and {len(texts.ignored) - 5} more" if len(texts.ignored) > 5 else ""
    return [f"Not read, since not a text: {named}{more}."] if texts.ignored else []


def revive(system: System, job: UUID, entity: str) -> None:
    """Give messages of this batch that could not be handled, and events that could not be sent, another chance at once."""
    keys, now = [str(job), entity], system.clock.now()
    for schema, relay in system.relays.items():
        held.hurry(system.database, schema, keys, now)
        for key in keys:
            relay.requeue(key)


def retry(system: System, batch: Batch) -> Ticket:
    """Go on with a batch in place, or open its next generation if it ended without a result; a complete one stays.

    A complete one, too, is followed by another if a person has cleared texts that were held for review in it.
    """
    if batch.status.is_complete and not system.review.readmitted(batch.id):
        return Ticket(batch.entity_id, batch.id, batch.generation, opened=False)
    if batch.status.is_terminal:
        reopened = system.front_desk.reopen(batch.entity_id, after_result=batch.status.is_complete)
        if reopened is None:
            raise BadRequest(
                f"Batch {batch.id} was requested by another system.",
                remedy="Send its request again under a new entity_id.",
            )
        return reopened
    revive(system, batch.id, batch.entity_id)
    again(system.database, batch.id, system.clock)
    return Ticket(batch.entity_id, batch.id, batch.generation, opened=False)
