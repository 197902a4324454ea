"""Questions for judges, and files of votes."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from pairmark.judges.question import Question


@pytest.fixture
def ask_about() -> Callable[..., Question]:
    """Build a question about two ids, first time and first attempt unless said otherwise."""

    def build(
        first: str, second: str, repeat: int = 0, attempt: int = 1, texts: tuple[str, str] = ("", "")
    ) -> Question:
        return Question(f"{first}/{second}/{repeat}/{attempt}", first, second, *texts, repeat, attempt)

    return build


@pytest.fixture
def vote_file(tmp_path: Path) -> Callable[..., Path]:
    """Write rows of votes to a CSV."""

    def write(*rows: tuple[str, ...], header: tuple[str, ...] = ("left", "right", "vote"), name: str = "v.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])
        return path

    return write
