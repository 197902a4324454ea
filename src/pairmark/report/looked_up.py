"""One judgement on a terminal: who judged what, the prompt, the answer, the evidence, and every call that was made."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from pairmark.domain.looked_up import CallTried, LookedUp
from pairmark.report.figures import MISSING, money, visible
from pairmark.report.judge_words import KINDS
from pairmark.report.terminal import facts

STATES = {None: "in flight", "verdict": "verdict", "lost": "no recorded end, perhaps charged", "not_asked": "not made"}


def print_judgement(found: LookedUp, console: Console) -> None:
    """Print it as text for people."""
    console.print(facts((name, Text(text)) for name, text in _about(found)))
    for number, call in enumerate(found.calls, start=1):
        _heading(console, f"Call {number} of {len(found.calls)}{', recorded' if call.recorded else ''}")
        console.print(facts((name, Text(text)) for name, text in _call(call)))
    if found.prompt is not None:
        proof = "as it was sent" if found.prompt.verified else "NOT as it was sent: its hash differs"
        _heading(console, f"Prompt, built anew, {proof} (SHA-256 {found.prompt.hash})")
        for part in (found.prompt.system, found.prompt.texts):
            console.print(Text(_block(part)), soft_wrap=True)
    elif found.why_no_prompt:
        _heading(console, "Prompt")
        console.print(Text(f"It cannot be built anew: {found.why_no_prompt}."), soft_wrap=True)
    if found.answer:
        _heading(console, "Answer, as it came")
        console.print(Text(_block(found.answer)), soft_wrap=True)


def _about(found: LookedUp) -> Iterator[tuple[str, str]]:
    yield "Judgement", found.id
    named = f" ({visible(found.batch_name)})" if found.batch_name else ""
    yield "Batch", f"{found.batch_id}{named}, comparison {found.comparison}, wave {found.wave}"
    yield "Shown", f"{visible(found.first)} first, {visible(found.second)} second"
    if found.kind is None:
        yield "Outcome", "not answered yet"
        return
    if found.kind == "verdict":
        won = "a tie" if found.winner == "tie" else f"{visible(found.winner or '')} is better"
        yield "Outcome", won if found.counted else f"{won}; not counted"
    else:
        yield "Outcome", f"no verdict: {KINDS.get(found.kind, found.kind)}"
    yield "Judge", ", ".join(visible(part) for part in (found.judge, found.model) if part)
    yield "Recorded", found.recorded_at
    if found.seconds is not None:
        yield "Time", f"{found.seconds:.1f} s"
    if found.calls:
        yield "Cost", money(found.cost)
    if found.reason:
        yield "Reason", visible(found.reason)
    for essay, quote in ((found.first, found.evidence_first), (found.second, found.evidence_second)):
        if quote:
            yield "Evidence", f"in {visible(essay)}: \u201c{visible(quote)}\u201d"
    if found.instructions_found:
        yield "Note", "The judge says that a text speaks to whoever judges it."


def _call(call: CallTried) -> Iterator[tuple[str, str]]:
    yield "Id", call.call_id
    yield "Asked", f"{visible(call.judge)} at {call.begun_at}"
    ended = STATES.get(call.kind, KINDS.get(call.kind or "", call.kind or ""))
    yield "Ended", f"{ended}: {visible(call.detail)}" if call.detail else ended
    if call.reused_from:
        yield "Answer of", f"call {call.reused_from}, which asked the same before; nothing was sent"
        return
    if call.model:
        yield (
            "Answered by",
            f"{visible(call.model)} (request {visible(call.provider_request_id) or MISSING}, {visible(call.finish)})",
        )
    counts = ((call.input_tokens, "in"), (call.cached_tokens, "of them cached"), (call.output_tokens, "out"))
    told = [
        f"{number:,} {what}"
        for number, what in (*counts, (call.reasoning_tokens, "for thinking"))
        if number is not None
    ]
    yield "Tokens", ", ".join(told) or "not told"
    yield "Cost", f"{money(call.cost)}{f' by {visible(call.price)}' if call.price else ''}"
    if call.seconds is not None:
        yield (
            "Time",
            f"{call.seconds:.1f} s in {call.wire_requests or 1} request{'s' * ((call.wire_requests or 1) != 1)}",
        )


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _block(text: str) -> str:
    """A text of many lines whose unseen characters are written out."""
    return "\n".join(visible(line) for line in text.split("\n"))
