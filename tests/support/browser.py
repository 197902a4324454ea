"""A page in a real browser: what it drew, what it said, and whether anything of it ran that should not."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

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


@dataclass(frozen=True)
class Loaded:
    """A page after its scripts ran, and what they said."""

    dom: str
    console: list[str]

    def charts(self) -> list[str]:
        """Names of the figures in which an SVG was drawn."""
        figures = re.findall(r'id="chart-([a-z0-9-]+)"(.*?)</figure>', self.dom, re.DOTALL)
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
