"""The page in a real browser: charts are drawn under the page's own security policy, hostile names do nothing."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pairmark.domain.scored import ScoreResult
from pairmark.report.scored.write import write_report as write_scored
from pairmark.report.write import write_report
from support import report_samples as samples
from support import score_samples

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",  # milliseconds of the page's own clock, not of ours
    "--dump-dom",
)


ASSESSED = ["dial", "caterpillar", "reliability", "change", "degrees"]


@dataclass(frozen=True)
class Loaded:
    """A page after its scripts ran, and what they said."""

    dom: str
    console: list[str]

    def charts(self) -> list[str]:
        """Names of the figures in which an SVG was drawn."""
        figures = re.findall(r'id="chart-([a-z]+)"(.*?)</figure>', self.dom, re.DOTALL)
        return [name for name, content in figures if 'class="marks"' in content]

    def tags(self) -> set[str]:
        """Names of all elements of the page in the end."""
        names: set[str] = set()
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: names.add(tag)  # type: ignore[method-assign]
        parser.feed(self.dom)
        return names

    def title(self) -> str:
        """The title in the end."""
        return re.findall(r"<title>(.*?)</title>", self.dom, re.DOTALL)[0]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = f"none of {', '.join(NAMES)} is installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def load(chromium: str, page: Path, profile: Path) -> Loaded:
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return Loaded(done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line])


@pytest.mark.parametrize("essays", [2, 35, 1000])
def test_all_charts_are_drawn_without_a_complaint(chromium: str, tmp_path: Path, essays: int) -> None:
    result = samples.ranked(essays)
    page, *_ = write_report(result, [], tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == ASSESSED
    points = re.search(r'point_marks".*?</g>', loaded.dom, re.DOTALL)
    assert points is not None
    assert points.group().count("<path") == essays


def test_hostile_names_are_drawn_and_do_nothing(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.hostile(), samples.judgements(), tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert loaded.charts() == ASSESSED
    assert loaded.title() != "owned"
    assert "img" not in loaded.tags()


def test_a_script_that_is_not_ours_would_not_run(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.ranked(), [], tmp_path / "out")
    attack = "<body><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    page.write_text(page.read_text(encoding="utf-8").replace("<body>", attack, 1), encoding="utf-8")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.title() != "owned"
    assert any("Content Security Policy" in line for line in loaded.console)
    assert loaded.charts() == ASSESSED


def test_a_batch_without_scores_loads_quietly(chromium: str, tmp_path: Path) -> None:
    page, *_ = write_report(samples.failed(), [], tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    assert "The account local has 12 credits and needs 350." in loaded.dom


@pytest.mark.parametrize("result", [score_samples.scored(), score_samples.graded(200), score_samples.hostile()])
def test_the_page_of_a_scored_session_draws_all_its_charts(chromium: str, tmp_path: Path, result: ScoreResult) -> None:
    page, *_ = write_scored(result, tmp_path / "out")
    loaded = load(chromium, page, tmp_path / "profile")
    assert loaded.console == []
    graded = result.grades is not None
    misfit = [f"{who}{what}" for who in ("essay", "judge") for what in ("infit", "outfit")]
    shown = [
        "dial",
        "reliability",
        "change",
        "caterpillar",
        *misfit[:2],
        *(["distribution"] * graded),
        *misfit[2:],
        "degrees",
    ]
    assert loaded.charts() == [*shown, *(["length"] * graded)]
    assert "img" not in loaded.tags()
