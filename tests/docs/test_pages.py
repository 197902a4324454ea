"""Every page of the documentation: links lead somewhere, commands exist, tables agree with the program."""

import re
import shlex
from pathlib import Path

import pytest

from pairmark.cli.audit import spelled_out
from pairmark.cli.main import build_parser
from pairmark.domain.statuses import LEGAL_MOVES, Status
from reference_pages import guarantee_tests

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
GUARANTEES = range(1, 16)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names of the headings as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(page)):
        target, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_shown_command_is_one_the_program_knows(page: Path) -> None:
    shown = re.findall(r"^\$ (?:\S*/)?pairmark (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for command in shown:
        try:
            build_parser().parse_args(spelled_out(shlex.split(command.partition(" > ")[0], comments=True)))
        except SystemExit as refused:
            pytest.fail(f"pairmark {command}: refused with exit code {refused.code}")


def test_every_page_of_docs_is_reachable_from_the_front_page() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        if page.suffix == ".md":
            links = (link.partition("#")[0] for link in LINK.findall(without_code(page)) if "://" not in link)
            waiting += [(page.parent / link).resolve() for link in links if link]
        elif page.is_dir():
            waiting += sorted(page.glob("*.md"))
    assert [name(page) for page in DOCS.rglob("*.md") if page not in reached] == []


def test_the_state_diagram_shows_exactly_the_legal_moves() -> None:
    page = (DOCS / "explanation" / "state-machine.md").read_text(encoding="utf-8")
    arrows = {tuple(arrow) for arrow in re.findall(r"^ +(\S+) --> (\S+)$", page, flags=re.MULTILINE)}
    start = "[*]"
    legal = {(str(seen), str(then)) for seen, moves in LEGAL_MOVES.items() for then in moves}
    ends = {(str(status), start) for status in Status if status.is_terminal}
    assert arrows == {(start, str(Status.PENDING))} | legal | ends


def test_the_table_of_states_explains_every_status() -> None:
    page = (DOCS / "explanation" / "state-machine.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([A-Z_]+) \|", page, flags=re.MULTILINE) == [str(status) for status in Status]


def test_every_guarantee_is_promised_and_carried_by_a_test() -> None:
    page = (DOCS / "explanation" / "guarantees.md").read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"^\| G(\d+) \|", page, flags=re.MULTILINE)] == list(GUARANTEES)
    assert sorted(set(GUARANTEES) - guarantee_tests.numbers(ROOT / "tests")) == []
