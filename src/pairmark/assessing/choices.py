"""What may be chosen about a batch, checked before a database is touched: counts, seeds, labels, and how it is judged.

Reading texts and building the request are next door, in `road`; which judges are meant, in `panel`.
"""

from pathlib import Path
from typing import TypedDict

from pairmark.domain.stopping import largest_budget
from pairmark.errors import BadRequest
from pairmark.events.catalogue import Design

MOST_COMPARISONS = 2_000_000
LONGEST_LABEL = 200
LARGEST_SEED = 2**63 - 1
MOST_DOLLARS = 1_000_000


class Choices(TypedDict, total=False):
    """What may be chosen about a batch besides its texts and judges; the command line has an option for each.

    `budget`: most comparisons to send (default `comparisons_per_essay` x essays / 2). `target_reliability`: stop once reached.
    `compare`: a numeric column that came with the texts, to report rank agreement with. `organisation`, `user`: who pays.
    `human`: a file of human judgements to report agreement with.

    For language models: `rubric` is a preset or a file, `task` a file with what the writers were asked, `language` that of the
    texts. `spend_limit` is the most to spend in US dollars; it may be raised later. `batch`: use the provider's batch interface.
    `local_only`: refuse every address that is not this machine. `roster`: a file of names that never leave this machine. `timeout`
    is in seconds, for one request; limits per minute are learnt from the provider where none are given.
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
    human: str | Path | None
    organisation: str | None
    user: str
    rubric: str | Path | None
    task: str | Path | None
    language: str | None
    effort: str | None
    max_output_tokens: int | None
    timeout: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    spend_limit: float | None
    batch: bool
    local_only: bool
    roster: str | Path | None


def label(option: str, text: str) -> str:
    """A name that can be shown and stored."""
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise BadRequest(
            f"The {option} {text[:40]!a} is not usable.",
            remedy=f"Give --{option} at most {LONGEST_LABEL} printable characters.",
        )
    return text


def usable_seed(seed: int) -> int:
    """A seed that every part can hold."""
    if not 0 <= seed <= LARGEST_SEED:
        raise BadRequest(
            f"The seed {seed} is out of range.", remedy=f"Give --seed a whole number from 0 to {LARGEST_SEED}."
        )
    return seed


def usable_budget(budget: int | None, essays: int) -> int:
    """A budget that can connect the texts; 0 where none was given."""
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


def usable_per_essay(count: int, essays: int) -> int:
    """Comparisons per essay that can connect the texts and are not too many."""
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


def usable_target(target: float | None) -> float | None:
    """A reliability that can be reached."""
    if target is not None and not 0 < target < 1:
        raise BadRequest(
            f"A target reliability of {target} cannot be reached.",
            remedy="Give --target-reliability a number between 0 and 1, such as 0.9.",
        )
    return target


def usable_limit(limit: float | None) -> float | None:
    """A spend limit above 0, in US dollars; None where there is none."""
    if limit is not None and not 0 < limit <= MOST_DOLLARS:
        raise BadRequest(
            f"A spend limit of {limit:g} US dollars cannot be kept.",
            remedy="Give --spend-limit a number above 0, such as 5, or leave it out.",
        )
    return limit
