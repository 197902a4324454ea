"""The demo: the command that `make demo` runs, on the present tree, and from a fresh clone in the long run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support.command import COMMAND, ROOT

LIMIT = 60  # seconds on two cores, after set-up
FILES = ["judgements.csv", "report.html", "results.csv", "results.json"]


def demo_command() -> list[str]:
    """The words of the demo's command, from the Makefile."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo:")[2].partition("\n\n")[0]
    joined = recipe.replace("\\\n", " ")
    words = shlex.split(re.findall(r"\$\(BIN\)/pairmark (assess .*)", joined)[0])
    assert words[words.index("--out") + 1] == "out/demo"
    return words


def check_demo(out: Path, said: str) -> None:
    assert sorted(path.name for path in out.iterdir()) == FILES
    result = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert (len(result["essays"]), result["comparisons"]) == (35, 350)
    assert result["agreement"]["spearman"] >= 0.8
    for promised in ("Written to out/demo", "0 duplicates, 0 lost, 0 charged twice", "wave 10, 350 of at most 350"):
        assert promised in said


def test_the_demo_on_this_tree_ends_within_a_minute(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAIRMARK_")}
    begun = time.monotonic()
    done = subprocess.run(
        [COMMAND, *demo_command()],
        cwd=tmp_path,
        env={**kept, "PAIRMARK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - begun < LIMIT
    assert done.returncode == 0, done.stderr
    check_demo(tmp_path / "out" / "demo", done.stdout + done.stderr)


@pytest.mark.soak
def test_make_demo_in_a_fresh_clone(tmp_path: Path) -> None:
    """Set-up needs the network and is not timed; the second `make demo` is the demo alone."""
    tmp_path.chmod(0o711)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PAIRMARK_", "VIRTUAL_ENV"))
    }
    first = subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    check_demo(clone / "out" / "demo", first.stdout + first.stderr)
    shutil.rmtree(clone / ".cache")
    begun = time.monotonic()
    subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, check=True)
    assert time.monotonic() - begun < LIMIT
