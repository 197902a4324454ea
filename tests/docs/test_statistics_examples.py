"""The public functions of `pairmark.stats`: each has an example that runs, and the notebook page does what it shows."""

import doctest
import inspect
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import pairmark.stats
from reference_pages import statistics

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = [name for name in pairmark.stats.__all__ if inspect.isfunction(getattr(pairmark.stats, name))]
SHOWN = re.compile(r"^```pycon\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PAGES = [page for page in (ROOT / "docs").rglob("*.md") if SHOWN.search(page.read_text(encoding="utf-8"))]


def failures(source: str, names: dict[str, object], where: str) -> str:
    """What the examples in the text print against what they say; empty if all is as shown."""
    told: list[str] = []
    found = doctest.DocTestParser().get_doctest(source, dict(names), where, where, 0)
    assert found.examples, f"{where} shows no example"
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example_that_runs(name: str) -> None:
    function = getattr(pairmark.stats, name)
    names = {**vars(inspect.getmodule(inspect.unwrap(function))), name: function, "np": np}
    assert failures(inspect.getdoc(function) or "", names, name) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_in_python_is_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    assert failures("\n".join(SHOWN.findall(page.read_text(encoding="utf-8"))), {}, page.name) == ""


def test_every_public_name_is_in_the_reference() -> None:
    listed = [name for _, names in statistics.GROUPS for name in names]
    assert sorted(listed) == sorted(pairmark.stats.__all__)
    page = (ROOT / "docs" / "reference" / "statistics.md").read_text(encoding="utf-8")
    assert [name for name in listed if f"\n### `{name}`\n" not in page] == []
