"""Histories of repeated events with a known cause, made by acting the cause out; nothing here knows the rules that read them.

A world is one system's outbox: many facts, each repeated by one mechanism, seen through clocks that jitter, with rows
missing, stray rows added, and times rounded as that system rounds them. `TOO_FEW` worlds hold the same mechanisms with so few
repetitions that nobody could be sure; there the cause or "unclear" is right, and another cause is wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

DAY = 86_400.0
MOMENT = 1_763_000_000.0
UNCLEAR = "unclear"
TIMED_OUT = (10.0, 30.0, 60.0, 300.0, 900.0)
PERIODS = (10.0, 30.0, 60.0, 300.0, 600.0, 3_600.0, 86_400.0)


@dataclass
class Fact:
    """One fact: why it repeats, when it was told, by which ids, and what triggered it (None: nobody recorded that)."""

    cause: str
    times: list[float]
    same_id: bool = False
    triggers: list[float] | None = None


@dataclass
class World:
    """The facts of one system, by aggregate."""

    facts: dict[str, Fact] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Rows of an outbox: aggregate, type, time in seconds, id."""
        for name, fact in self.facts.items():
            for number, moment in enumerate(fact.times):
                yield name, "done", f"{moment:.6f}", name if fact.same_id else f"{name}-{number}"

    def triggers(self) -> Iterator[tuple[str, str]]:
        """Rows of a stream of callbacks: aggregate and time."""
        for name, fact in self.facts.items():
            for moment in fact.triggers or ():
                yield name, f"{moment:.6f}"


def world(seed: int, size: int, *, few: bool = False) -> World:
    """A system in which about `size` facts repeat, every cause equally often."""
    draw = Random(seed)
    made = World()
    causes = list(FEW if few else ENOUGH)
    while len(made.facts) < size:
        cause = min(causes, key=lambda one: sum(fact.cause == one for fact in made.facts.values()))
        group = (FEW if few else ENOUGH)[cause](draw, draw.uniform(MOMENT, MOMENT + 10 * DAY))
        for fact in group:
            made.facts[f"fact-{seed}-{len(made.facts)}"] = fact
    digits = draw.choices((6, 3), (3, 1))[0]
    for fact in made.facts.values():
        _seen(draw, fact, digits, spoiled=not few)
    return made


def _seen(draw: Random, fact: Fact, digits: int, *, spoiled: bool) -> None:
    """What is left in the outbox of what happened."""
    jitter = draw.uniform(0.0, 0.005)  # of the clocks of the hosts that wrote the rows
    kept = [one + draw.gauss(0, jitter) for one in fact.times if not (spoiled and draw.random() < 0.04)]
    if spoiled and draw.random() < 0.02:  # somebody ran it again by hand
        kept.append(draw.uniform(kept[0] - DAY / 4, kept[-1] + DAY / 4) if kept else MOMENT)
    fact.times = sorted(round(one, digits) for one in kept)
    if fact.triggers is not None:
        seen = [one + draw.gauss(0, jitter) for one in fact.triggers if draw.random() >= 0.01]
        fact.triggers = sorted(round(one, digits) for one in seen)


def race(draw: Random, begin: float, workers: int) -> Fact:
    """Workers woken by one message read the old state and write; each transaction takes its time."""
    slow = draw.uniform(0.003, 0.012)
    return Fact(
        "race",
        [begin + draw.expovariate(1 / 0.003) + draw.lognormvariate(0, 0.4) * slow for _ in range(workers)],
        triggers=[begin] if draw.random() < 0.3 else None,
    )


def loop(draw: Random, begin: float, number: int, *, known: bool) -> Fact:
    """Each publication is consumed and finalises again; callbacks that came before, and a few meanwhile, change nothing."""
    work = draw.uniform(0.03, 0.25)
    times = [begin]
    while len(times) < number:
        times.append(times[-1] + work * (0.6 + draw.gammavariate(4, 0.1)))
    before = [begin - draw.uniform(0.2, 900) for _ in range(draw.randrange(3, 40))]
    meanwhile = [draw.uniform(begin, times[-1]) for _ in range(draw.randrange(0, 1 + number // 8))]
    triggers = [*before, begin - draw.uniform(0.005, 0.05), *meanwhile]
    return Fact("runaway_loop" if known else "tight_burst", times, triggers=triggers if known else None)


def drain(draw: Random, begin: float, number: int, *, known: bool) -> Fact:
    """The threshold stays true: every late callback finalises again. Those before the threshold did not."""
    mean = draw.uniform(0.04, 0.3)
    before = draw.randrange(5, 60)
    callbacks = [begin]
    while len(callbacks) < before + number:
        callbacks.append(callbacks[-1] + mean * (0.2 + draw.expovariate(1 / 0.8)))
    delay = draw.uniform(0.004, 0.5 * mean)
    times = [one + delay * draw.uniform(0.8, 1.2) for one in callbacks[before:]]
    return Fact("trigger_drain" if known else "tight_burst", times, triggers=callbacks if known else None)


def every_nth(draw: Random, begin: float, number: int) -> Fact:
    """A check at every n-th callback."""
    n, mean = draw.randrange(3, 21), draw.uniform(0.3, 20)
    callbacks = [begin]
    skipped = draw.randrange(0, 5 * n)  # what the recorded stream does not reach back to
    while len(callbacks) < n * (number + 5):
        callbacks.append(callbacks[-1] + draw.expovariate(1 / mean))
    times = [callbacks[one] + draw.uniform(0.005, 0.04) for one in range(5 * n, len(callbacks), n)]
    return Fact("every_nth", times, triggers=callbacks[skipped:])


def periodic(draw: Random, begin: float, number: int, facts: int = 1) -> list[Fact]:
    """A monitor's sweep over everything that is open: the facts of one sweep come right after one another."""
    period, late = draw.choice(PERIODS), draw.uniform(0.001, 0.03)
    sweeps = [begin]
    while len(sweeps) < number:
        sweeps.append(sweeps[-1] + period * (1 + abs(draw.gauss(0, late))))
    made = []
    for place in range(facts):
        times = [one + 0.02 * place + draw.uniform(0, 0.01) for one in sweeps]
        other = [draw.uniform(begin - 3_600, times[-1]) for _ in range(draw.randrange(1, 30))]
        made.append(Fact("periodic", times, triggers=other if draw.random() < 0.2 else None))
    return made


def back_off(draw: Random, begin: float, number: int) -> Fact:
    """A publisher that waits longer after every failure, with a little jitter, up to a longest wait."""
    pause, factor = draw.uniform(0.1, 10), draw.uniform(1.6, 3)
    longest = pause * factor ** draw.uniform(number - 2, number + 4)
    times = [begin]
    while len(times) < number:
        times.append(times[-1] + min(pause, longest) * draw.uniform(0.92, 1.08))
        pause *= factor
    return Fact("back_off", times, same_id=draw.random() < 0.3)


def redelivery(draw: Random, begin: float, number: int) -> list[Fact]:
    """A broker that waited in vain for acknowledgements: one message, or all that a consumer that hung had taken."""
    wait = draw.choice(TIMED_OUT)
    if draw.random() < 0.7:
        times = [begin + one * wait * draw.uniform(1.0, 1.006) for one in range(number)]
        return [Fact("redelivery", times, same_id=True)]
    span = draw.uniform(20, 900)
    taken = [begin + draw.uniform(0, span) for _ in range(draw.randrange(8, 25))]
    return [Fact("redelivery", [one, one + wait * draw.uniform(1.0, 1.004)]) for one in taken]


def restart(draw: Random, begin: float, facts: int) -> list[Fact]:
    """A process that starts again publishes what its predecessor had not marked as published."""
    again = [begin + draw.uniform(0, 1.5) for _ in range(facts)]
    return [Fact("restart_burst", [one - draw.uniform(3, DAY / 2), one]) for one in again]


def at_random(draw: Random, begin: float, number: int) -> Fact:
    """Somebody ran it again, now and then."""
    span = 10 ** draw.uniform(2.5, 6)
    triggers = [begin + draw.uniform(0, span) for _ in range(draw.randrange(2, 200))] if draw.random() < 0.3 else None
    return Fact(UNCLEAR, sorted(begin + draw.uniform(0, span) for _ in range(number)), triggers=triggers)


Maker = Callable[[Random, float], list[Fact]]
ENOUGH: dict[str, Maker] = {
    "race": lambda draw, begin: [race(draw, begin, draw.randrange(2, 5))],
    "tight_burst": lambda draw, begin: [draw.choice((loop, drain))(draw, begin, draw.randrange(9, 90), known=False)],
    "runaway_loop": lambda draw, begin: [loop(draw, begin, draw.randrange(12, 90), known=True)],
    "trigger_drain": lambda draw, begin: [drain(draw, begin, draw.randrange(12, 90), known=True)],
    "periodic": lambda draw, begin: periodic(draw, begin, draw.randrange(9, 60), draw.choice((1, 1, 1, 4, 8))),
    "back_off": lambda draw, begin: [back_off(draw, begin, draw.randrange(6, 11))],
    "every_nth": lambda draw, begin: [every_nth(draw, begin, draw.randrange(15, 50))],
    "redelivery": lambda draw, begin: redelivery(draw, begin, draw.randrange(2, 4)),
    "restart_burst": lambda draw, begin: restart(draw, begin, draw.randrange(8, 25)),
    UNCLEAR: lambda draw, begin: [at_random(draw, begin, draw.randrange(2, 14))],
}
FEW: dict[str, Maker] = {
    "tight_burst": lambda draw, begin: [draw.choice((loop, drain))(draw, begin, draw.randrange(2, 6), known=False)],
    "runaway_loop": lambda draw, begin: [loop(draw, begin, draw.randrange(3, 7), known=True)],
    "trigger_drain": lambda draw, begin: [drain(draw, begin, draw.randrange(2, 7), known=True)],
    "periodic": lambda draw, begin: periodic(draw, begin, draw.randrange(2, 7), draw.choice((1, 1, 3, 8))),
    "back_off": lambda draw, begin: [back_off(draw, begin, draw.randrange(2, 5))],
    "every_nth": lambda draw, begin: [every_nth(draw, begin, draw.randrange(2, 7))],
    "restart_burst": lambda draw, begin: restart(draw, begin, draw.randrange(2, 4)),
    UNCLEAR: lambda draw, begin: [at_random(draw, begin, draw.randrange(2, 4))],
}
