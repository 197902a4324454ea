"""Texts whose worth stands in them, so that scripted judges know it, and judgements of people who see it, too."""

import csv
from itertools import combinations
from pathlib import Path

from support.command import write_texts
from support.providers import Traits

MARKER = "worth:"
SHARP = Traits(marker=MARKER, sharpness=3.0)
"""A judge who hardly ever prefers the text of less worth."""
FAVOURS_FIRST = Traits(marker=MARKER, sharpness=1.0, order_bias=2.5)
"""A judge who mostly takes the text shown first."""


def worthy(number: int) -> list[tuple[str, str]]:
    """Essays of rising worth; the better ones are not the longer ones."""
    return [
        (
            f"essay-{k:02d}",
            f"Essay {k} has this to say, {'and more, ' * (5 * k % 7)}which is {MARKER} {k - number / 2:g}",
        )
        for k in range(number)
    ]


def texts_file(path: Path, number: int) -> Path:
    """The same as a CSV."""
    return write_texts(path, worthy(number))


def people_file(path: Path, number: int, wrong_every: int = 5) -> Path:
    """Every pair judged once by a person who prefers the essay of more worth, but for every fifth time."""
    rows = []
    for k, (b, a) in enumerate(combinations(range(number), 2)):
        better = "right" if k % wrong_every == 0 else "left"
        rows.append((f"essay-{a:02d}", f"essay-{b:02d}", better, f"person-{k % 3}"))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("left", "right", "vote", "judge"), *rows])
    return path
