"""Replaying real votes: what a pairing rule would have found out with fewer of them.

Protocol: each ask draws by seed an unused vote of that unordered pair and returns it as recorded, sides included; a pair with
no vote left cannot be asked; ties count as half a win for each side; the target is the fit of all votes of the topic.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import comparisons
from pairmark.stats.rules import Rule
from pairmark.stats.sessions import run

VOTES = Path(__file__).resolve().parents[1] / "reference" / "data" / "ukpconvarg1" / "votes.csv"
OUTCOMES = {"left": 1.0, "tie": 0.5, "right": 0.0}
Vote = tuple[int, int, float]


@dataclass(frozen=True)
class Topic:
    """Texts of one topic, the recorded votes of each unordered pair (as left index, right index, outcome), and the target."""

    items: tuple[str, ...]
    votes: dict[tuple[int, int], tuple[Vote, ...]]
    target: np.ndarray


@cache
def topics() -> dict[str, Topic]:
    """The two topics at hand, 35 texts each."""
    rows: dict[str, list[tuple[str, str, float]]] = {}
    with VOTES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["topic"], []).append((row["left"], row["right"], OUTCOMES[row["vote"]]))
    return {name: _topic(votes) for name, votes in rows.items()}


def _topic(rows: list[tuple[str, str, float]]) -> Topic:
    data = comparisons(rows)
    return topic_of(
        data.items, list(zip(data.first.tolist(), data.second.tolist(), data.outcome.tolist(), strict=True))
    )


def topic_of(items: Sequence[str], rows: Sequence[Vote]) -> Topic:
    """The topic with these votes, each as left index, right index and outcome."""
    votes: dict[tuple[int, int], list[Vote]] = {}
    for left, right, outcome in rows:
        votes.setdefault((min(left, right), max(left, right)), []).append((left, right, outcome))
    columns = tuple(np.array(column) for column in zip(*rows, strict=True))
    target = fit(comparisons(columns, items=items)).theta
    return Topic(tuple(items), {pair: tuple(votes[pair]) for pair in sorted(votes)}, target)


def agreement(topic: Topic, rule: Rule, seed: int, marks: Sequence[int], *, waves_per_essay: int = 1) -> list[float]:
    """Spearman correlation with the target at these comparisons per essay.

    A wave holds one comparison per text (two appearances), or that divided by `waves_per_essay`, and ends at a mark.
    """
    n, rng = len(topic.items), np.random.default_rng([seed, 7])
    left = {pair: [votes[k] for k in rng.permutation(len(votes))] for pair, votes in topic.votes.items()}

    def answer(pairs: np.ndarray, _wave: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = [left[min(pair), max(pair)].pop() for pair in map(tuple, pairs.tolist())]
        return np.array([vote[:2] for vote in drawn]), np.array([vote[2] for vote in drawn])

    ends = [mark * n // 2 for mark in marks]
    least_votes = min(map(len, topic.votes.values()))
    waves = run(topic.items, rule, answer, sizes=_sizes(n // waves_per_essay, ends), seed=seed, pair_limit=least_votes)
    return [
        spearman(standing.fit.theta, topic.target) if standing.fit else float("nan")
        for standing in waves
        if len(standing.comparisons) in ends
    ]


def _sizes(size: int, ends: Sequence[int]) -> list[int]:
    sizes, asked = [], 0
    for end in ends:
        while asked < end:
            sizes.append(min(size, end - asked))
            asked += sizes[-1]
    return sizes


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation of two lists without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])
