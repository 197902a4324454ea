"""What a person waits for at the command line: help, the first run with all of its set-up, a second batch, a stored result."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.durable import fresh_home

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ukpconvarg1-t31"
PAIRMARK = Path(sys.executable).with_name("pairmark")


def test_help(record):
    spent = min(command([str(PAIRMARK), "--help"]) for _ in range(5))
    bare = min(command([sys.executable, "-c", "pass"]) for _ in range(5))
    record("pairmark --help", spent, "s", at_most=0.3, peer=bare, against="the interpreter alone")


def test_demo(record):
    with fresh_home() as home:
        first = demo(home, "1")
        second = demo(home, "2")
        again = demo(home, "2")
    record(
        "demo of 35 texts, first run",
        first,
        "s",
        at_most=60,
        against="database made, schemas created, 350 comparisons, report",
    )
    record("demo of 35 texts, second batch", second, "s", against="server started, 350 comparisons, report")
    record("demo of 35 texts, stored result", again, "s", against="server started, report")


def demo(home: Path, seed: str) -> float:
    judge = f"replay:{EXAMPLE / 'votes.csv'}"
    line = [
        str(PAIRMARK),
        "assess",
        str(EXAMPLE / "texts.csv"),
        "--judge",
        judge,
        "--seed",
        seed,
        "--out",
        str(home / "out"),
    ]
    return command(line, PAIRMARK_HOME=str(home))


def command(line: list[str], **environment: str) -> float:
    begin = time.perf_counter()
    subprocess.run(line, check=True, capture_output=True, timeout=180, env={**os.environ, **environment})
    return time.perf_counter() - begin
