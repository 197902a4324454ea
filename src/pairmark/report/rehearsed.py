"""The dry run on a terminal: the first prompts to the letter, then calls, tokens and money."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from pairmark.domain.rehearsed import Rehearsal, RehearsedJudge
from pairmark.report.figures import count, money, percent, tokens, visible
from pairmark.report.terminal import facts

NAMED = 5


def print_rehearsal(told: Rehearsal, console: Console) -> None:
    """Print it as text for people."""
    system = ""
    for number, prompt in enumerate(told.prompts, start=1):
        console.print(
            Text(
                f"Prompt {number}: to {visible(prompt.judge)}, about {prompt.tokens:,} tokens, SHA-256 {prompt.hash}",
                style="bold",
            ),
            soft_wrap=True,
        )
        again = "(the same instructions)" if prompt.system == system else prompt.system
        for part in (again, prompt.texts):
            console.print(Text("\n".join(visible(line) for line in part.split("\n"))), soft_wrap=True)
        system = prompt.system
        console.print()
    console.print(facts((name, Text(text.replace("\u00a0", " "))) for name, text in _figures(told)))


def _figures(told: Rehearsal) -> Iterator[tuple[str, str]]:
    yield "Dry run", "Nobody was asked and nothing was stored."
    yield "Texts", f"{told.essays:,}{f', names taken out in {told.redacted:,} places' if told.redacted else ''}"
    yield "Comparisons", f"at most {told.comparisons:,}; judging may end sooner"
    for judge in told.judges:
        yield "Judge", f"{visible(judge.judge)}: {_judge(judge)}"
    if any(judge.model for judge in told.judges):
        yield "Cost", _cost(told)
    if told.spend_limit is not None:
        yield "Spend limit", money(told.spend_limit)
    if told.held:
        named = ", ".join(map(visible, told.held[:NAMED])) + (
            f" and {len(told.held) - NAMED} more" if told.held[NAMED:] else ""
        )
        yield (
            "Held",
            f"{count(len(told.held), 'text')} would wait for a person first, since something speaks to the judge: {named}",
        )


def _judge(judge: RehearsedJudge) -> str:
    if not judge.model:
        return "asks nobody over a network"
    first = f" after {count(judge.canaries, 'canary', 'canaries')}" if judge.canaries else ""
    parts = [f"{percent(judge.share)} of the comparisons, at most {count(judge.calls, 'call')}{first}"]
    parts.append(f"about {tokens(judge.input_tokens)} tokens in and {tokens(judge.output_tokens)} out")
    if judge.cost is None or judge.worst_cost is None:
        parts.append("cost not known, since the table of prices does not have this model")
    else:
        parts.append(f"about {money(judge.cost)}, {money(judge.worst_cost)} at worst ({visible(judge.price)})")
    parts += [f"context window {judge.context_window:,} tokens"] if judge.context_window else []
    return ", ".join(parts)


def _cost(told: Rehearsal) -> str:
    if told.cost is None or told.worst_cost is None:
        return "not known for all judges"
    return (
        f"about {money(told.cost)}; {money(told.worst_cost)} if every answer were as long as it may be. Answers that fail and are "
        "asked again cost more."
    )
