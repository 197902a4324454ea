"""A repair for people: its plan, how far it has come, and what it came to. Nothing is computed here."""

import time
from typing import Any

from pairmark.cli.output import note, say

PAUSE_SECONDS = 1.0


def say_plan(plan: Any) -> None:
    """Print a plan of either way."""
    say(f"Plan {plan.digest} for {plan.table} in {plan.source}")
    if getattr(plan, "counts", None) is not None:
        _say_counts(plan)
    for obstacle in plan.obstacles:
        say(f"  {'REFUSED' if obstacle.refuses else 'Note'}: {obstacle.sentence} {obstacle.remedy}".rstrip())
    for line in plan.notes:
        say(f"  Note: {line}")
    for number, step in enumerate(plan.steps, start=1):
        _say_step(number, step)
    for line in getattr(plan, "plan_b", ()):
        say(f"  {line}")


def _say_counts(plan: Any) -> None:
    counts = plan.counts
    where = f", where {plan.condition}" if plan.condition else ""
    say(f"  The same fact: equal {' and '.join(plan.key)}{where}. The {plan.keep} row stays.")
    say(f"  {counts.rows:,} rows, {counts.concerned:,} of them concerned; {counts.affected:,} facts stand more than once, "
        f"the worst {counts.largest:,} times; {counts.excess:,} rows are in excess.")  # fmt: skip
    if plan.unfinished:
        say(f"  An earlier run of this plan is unfinished (last step: {plan.unfinished}); --apply goes on with it.")


def _say_step(number: int, step: Any) -> None:
    say("")
    say(f"{number}. {step.name}: {step.purpose}")
    touched = f"{step.rows:,} rows, " if step.rows else ""
    again = f", in {step.repeated:,} batches" if step.repeated > 1 else ""
    say(f"   {touched}about {step.seconds:,.0f} s{again}; locks: {step.locks}")
    _say_statements("   ", step.statements)
    if step.undo:
        say("   undo:")
        _say_statements("   ", step.undo)


def _say_statements(margin: str, statements: Any) -> None:
    for statement in statements:
        for line in f"{statement};".splitlines():
            say(f"{margin}  {line}")


def say_result(result: Any) -> None:
    """Print what a repair came to."""
    say("")
    if result.clean:
        say(f"Done: {result.index} stands, and no fact of {result.table} is told twice.")
    else:
        say(
            f"Not done: {result.excess:,} duplicates are left; the index is {'valid' if result.valid else 'not there'}."
        )
    say(f"  {result.rows_before:,} rows before, {result.rows_after:,} now.")
    say(f"  {result.quarantined:,} quarantined, in {result.quarantine}.")
    say(f"  The guard diverted {result.diverted:,} new duplicates there and refused {result.refused:,}.")
    if result.slipped:
        say(f"  {result.slipped:,} came in although the guard stood.")
    for writer in result.evading:
        say(f"  Above READ COMMITTED, where the guard does not see all: {writer}")


def say_undone(result: Any) -> None:
    """Print what an undo did."""
    say(f"Done: {result.restored:,} rows are back in {result.table}, {result.held:,} are still in quarantine.")


class Shown:
    """Hears a repair and says on stderr how far it is: a line for each step, and at most one a second within it."""

    def __init__(self) -> None:
        self._begun = self._told = 0.0

    def step(self, name: str, sentence: str) -> None:
        """A step begins."""
        note(f"{name}: {sentence}")
        self._begun = self._told = time.monotonic()

    def point(self, name: str) -> None:
        """Places between effects are of no interest to people."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A long step has come so far."""
        from pairmark.report.progress import duration  # noqa: PLC0415 - start-up time

        now = time.monotonic()
        if now - self._told < PAUSE_SECONDS:
            return
        self._told = now
        rate = done / (now - self._begun)
        left = f", about {duration((total - done) / rate)} left" if total and rate and total > done else ""
        of = f" of {total:,}" if total else ""
        note(f"  {what}: {done:,}{of}, {rate:,.0f}/s{left}")
