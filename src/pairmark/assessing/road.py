"""The main job as a function: read texts, submit them, run until the batch has ended and every service knows, collect the result.

The command line is a thin layer over this; it adds progress on the screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Unpack
from uuid import UUID

import msgspec

from pairmark.assessing import choices as usable
from pairmark.assessing.choices import Choices
from pairmark.assessing.panel import Chosen, chosen
from pairmark.assessing.redaction import without_names
from pairmark.bootstrap import System
from pairmark.config import load
from pairmark.domain.result import AssessmentResult
from pairmark.domain.stopping import MOST_ESSAYS
from pairmark.errors import BadRequest
from pairmark.events.catalogue import Design, EssayRef
from pairmark.messaging import held
from pairmark.opening import open_system
from pairmark.outcome import Comparand, collect
from pairmark.reading.texts import TextCollection, read_texts
from pairmark.scoring.people import People, read_people
from pairmark.scoring.spending import check_prices
from pairmark.services.assessment.again import again
from pairmark.services.assessment.batches import Batch
from pairmark.services.lifecycle.front_desk import Request, Ticket
from pairmark.watch import OnProgress, run

LOCAL_USER = "local"


@dataclass(frozen=True)
class Prepared:
    """Texts that were read, who judges them, and the request they make."""

    texts: TextCollection
    panel: Chosen
    design: Design
    comparand: Comparand | None
    people: People | None
    redacted: int
    user: str
    organisation: str | None


def assess(
    path: str | Path,
    *,
    judge: str | Sequence[str],
    out: str | Path | None = None,
    database: str | None = None,
    home: str | Path | None = None,
    on_progress: OnProgress | None = None,
    **choices: Unpack[Choices],
) -> AssessmentResult:
    """Rank the texts at `path` (a folder or a CSV file) with `judge` and return the result.

    `judge` names one judge or several, each with its share at the end (`openai:MODEL=60%`). With `out`, `report.html`,
    `results.csv`, `results.json` and `judgements.csv` are written there. `database` is a PostgreSQL URL; without it an embedded
    server keeps its data under `home`. The same call again returns the stored result, or goes on where an interrupted one
    stopped. Raises `BadRequest` for input that cannot be used and `Busy` when the database, or a judge, cannot be had. A batch
    that ends without a result is returned with its `status` and `error`.
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
        notes = left_out(prepared.texts)
        result = collect(
            system, ticket.job_id, prepared.texts.identical, prepared.comparand, notes, people=prepared.people
        )
        if out is not None:
            write_report(result, system.assessment.judgements(ticket.job_id), Path(out))
    return result


def prepare(path: Path, judge: str | Sequence[str], choices: Choices, *, access: bool = True) -> Prepared:
    """Read and check everything that can be checked before a database is touched; keys only if `access` to judges is needed."""
    panel = chosen(judge, choices)
    compare = choices.get("compare")
    texts = read_texts(
        path,
        id_column=choices.get("id_column"),
        text_column=choices.get("text_column"),
        compare_column=compare,
    )
    texts, redacted = without_names(texts, choices.get("roster"))
    ids = [text.essay_id for text in texts.texts]
    if len(ids) > MOST_ESSAYS:
        raise BadRequest(f"{path} holds {len(ids)} texts; one batch takes at most {MOST_ESSAYS}.", remedy="Split it.")
    panel.check(texts, access=access)
    check_prices([panel.judge], usable.usable_limit(choices.get("spend_limit")))
    comparand = None
    if compare is not None:
        scores = {text.essay_id: text.compare for text in texts.texts if text.compare is not None}
        comparand = Comparand(compare, scores, choices.get("smaller_is_better", False))
    return Prepared(
        texts=texts,
        panel=panel,
        design=_design(panel, ids, choices),
        comparand=comparand,
        people=read_people(choices.get("human"), ids),
        redacted=redacted,
        user=usable.label("user", choices.get("user") or LOCAL_USER),
        organisation=usable.label("organisation", choices.get("organisation") or "") or None,
    )


def _design(panel: Chosen, ids: Sequence[str], choices: Choices) -> Design:
    return Design(
        name=usable.label("name", choices.get("name", "")),
        judge=panel.spec.canonical,
        judge_digest=panel.spec.digest,
        seed=usable.usable_seed(choices.get("seed", 1)),
        budget=usable.usable_budget(choices.get("budget"), len(ids)),
        comparisons_per_essay=usable.usable_per_essay(choices.get("comparisons_per_essay", 20), len(ids)),
        target_reliability=usable.usable_target(choices.get("target_reliability")),
        baseline=not panel.judge.may_grade,
        pair_limit=min(Design().pair_limit, getattr(panel.judge, "most_repeats", Design().pair_limit)),
        spend_limit=usable.usable_limit(choices.get("spend_limit")),
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
