"""Commands shown in the documentation run as shown.

Collected are blocks that open with ```console and hold a line `$ pairmark …`. A block that opens with ```console norun
needs something that no test has (somebody's server, an id); its commands are only parsed, in test_pages. A command that ends
with another exit code than 0 says so in a comment.
"""

import csv
import re
import shlex
import shutil
import sqlite3
from contextlib import ExitStack, closing
from itertools import combinations
from pathlib import Path

import pytest

from pairmark.storage.embedded import EmbeddedServer
from support.command import COMMAND, Pairmark

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
TEXTS = {
    "anna": "Rivers flood because rain falls faster than the ground can take it up. Trees on the banks slow the water.",
    "bela": "Floods are when water comes. It comes from rain and it is bad for houses and for people who live there.",
    "cleo": "When a valley is built over, water that once sank into meadows runs off at once; the river rises in hours.",
    "dora": "I think floods happen a lot now. My uncle had one. They should build walls, walls would help against it.",
}


def commands(page: Path) -> list[str]:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ pairmark ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the shipped examples, essays, a table of them, votes on every pair, and somebody's app.db."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "essays").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "essays" / f"{name}.txt").write_text(text, encoding="utf-8")
    with (tmp_path / "pupils.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("pupil", "answer"), *TEXTS.items()])
    with (tmp_path / "votes.csv").open("w", encoding="utf-8", newline="") as file:
        votes = [(left, right, word) for left, right in combinations(TEXTS, 2) for word in ("left", "right", "tie")]
        csv.writer(file).writerows([("left", "right", "vote"), *votes])
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute(
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY, aggregate_id TEXT, event_type TEXT, created_at TEXT)"
        )
        connection.execute(
            "INSERT INTO outbox (aggregate_id, event_type) VALUES ('a', 'done'), ('a', 'done'), ('b', 'done')"
        )
        connection.commit()
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_of_a_page_run_one_after_the_other(page: Path, folder: Path) -> None:
    pairmark = Pairmark(folder / "home")
    with ExitStack() as held:
        for command in commands(page):
            program, *words = shlex.split(command, comments=True)
            assert program == COMMAND.name
            done = pairmark.run(*words, cwd=folder)
            said = re.search(r"# exit code (\d+)", command)
            assert done.code == (int(said[1]) if said else 0), f"{command}\n{done.out}\n{done.err}"
            if pairmark.home.exists():  # the next commands find the server up
                held.enter_context(EmbeddedServer.open(pairmark.home))
