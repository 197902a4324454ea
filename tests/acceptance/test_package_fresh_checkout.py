"""`make demo` in a copy of the tracked tree, set-up included: what a new user does first."""

import json
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from support.sizes import size

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # the demo's limit on 2 cores, after set-up
LEFT_BEHIND = {".venv", ".cache", "out"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks or would add, with its own environment set up."""
    copy = tmp_path_factory.mktemp("fresh") / "checkout"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in set(names.split("\0")) - {""}:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    make("help", copy)
    set_up(copy)
    return copy


def set_up(folder: Path) -> None:
    subprocess.run([sys.executable, "scripts/set_up.py", "run"], cwd=folder, env=environment(), check=True, timeout=600)


def environment() -> dict[str, str]:
    """What a user has in a new terminal: nothing of this run's environment or of an outer make."""
    ours = ("PAIRMARK_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def make(target: str, folder: Path) -> str:
    done = subprocess.run(
        ["make", target, f"PYTHON={sys.executable}"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_make_demo_ranks_the_real_texts_in_time_and_leaves_everything_in_the_checkout(checkout: Path) -> None:
    before = {path.name for path in checkout.iterdir()}
    started = time.monotonic()
    said = make("demo", checkout)
    assert time.monotonic() - started < SECONDS
    assert "0 duplicates, 0 lost, 0 charged twice" in said
    result = json.loads((checkout / "out" / "demo" / "results.json").read_text(encoding="utf-8"))
    assert len(result["essays"]) == 35
    assert result["status"].startswith("COMPLETE_")
    assert result["agreement"]["spearman"] > 0.5  # the same order as the published one, not its reverse
    assert result["credits"]["charged"] == result["comparisons"]
    assert [result["self_check"][kind] for kind in ("duplicates", "lost", "charged_twice")] == [0, 0, 0]
    assert {path.name for path in checkout.iterdir()} - before <= LEFT_BEHIND


def test_a_second_set_up_has_nothing_to_do(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/set_up.py", "run"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    """At full size by `make demo`, which is what people do then; else by the set-up that every target begins with."""
    moved = checkout.rename(checkout.with_name("moved"))
    try:
        size(set_up, partial(make, "demo"))(moved)
        command = (moved / ".venv" / "bin" / "pairmark").read_text(encoding="utf-8")
        assert str(moved) in command
    finally:
        moved.rename(checkout)
