"""Pairmark as a library: `from pairmark import assess, fit` in one's own script, typed, and gone when the script ends."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmark.storage.file_locks import is_free
from support.command import ROOT, Pairmark, data_folder, essays, write_texts

SCRIPT = """
import sys
import threading
from pathlib import Path

from pairmark import assess, comparisons, fit


def main(texts: Path, home: Path) -> None:
    waves: list[int] = []
    result = assess(
        texts, judge="simulated:sd=1,seed=3", home=home, name="library", on_progress=lambda now: waves.append(len(now.found))
    )
    best: str = min(result.essays, key=lambda essay: essay.rank).essay_id
    reliability: float | None = result.reliability["value"]
    again = assess(texts, judge="simulated:sd=1,seed=3", home=home, name="library")
    assert again == result, "the stored result"
    assert waves, "progress was told"
    scores = fit(comparisons([("a", "b", 1), ("b", "c", 1), ("c", "a", 0.5)]))
    print(best, reliability is not None, len(scores.theta), threading.active_count())


main(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "mine.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_a_script_assesses_fits_and_leaves_nothing_running(tmp_path: Path, script: Path, pairmark: Pairmark) -> None:
    texts = write_texts(tmp_path / "texts.csv", essays(5))
    home = pairmark.home.with_name("own")
    done = subprocess.run(
        [sys.executable, script, texts, home], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    best, reliable, fitted, threads = done.stdout.split()
    assert best.startswith("essay-")
    assert (reliable, fitted, threads) == ("True", "3", "1")
    assert is_free(home / "users.lock")
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_the_script_passes_a_strict_type_check(script: Path) -> None:
    """What was found of the same files before is kept; a file that changed is looked at anew."""
    known = ROOT / ".cache" / "mypy-of-a-script"
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", known, script]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_errors_are_the_documented_ones(tmp_path: Path) -> None:
    from pairmark import assess  # noqa: PLC0415 - loads on first use
    from pairmark.errors import BadRequest, Busy  # noqa: PLC0415

    with pytest.raises(BadRequest, match="does not exist"):
        assess(tmp_path / "missing", judge="surface", home=tmp_path)
    texts = write_texts(tmp_path / "texts.csv", essays(2))
    with pytest.raises(Busy, match="cannot be reached"):
        assess(texts, judge="surface", database="postgresql://nobody@127.0.0.1:1/nothing")


def test_the_public_functions_are_documented() -> None:
    import pairmark as package  # noqa: PLC0415

    for name in package.__all__:
        assert len(getattr(package, name).__doc__ or "") > 200, name
