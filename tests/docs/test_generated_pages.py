"""The generated pages say what the source says, and nothing that a person can type is missing from them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from generate_reference import pages
from pairmark.cli.main import build_parser
from pairmark.events.catalogue import EVENTS
from reference_pages import failures

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield word
                yield from options(child)
        elif action.help != argparse.SUPPRESS:
            yield from (option for option in action.option_strings if option not in {"-h", "--help"})


def test_every_generated_page_is_up_to_date() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run make docs"


def test_every_command_and_option_is_in_the_reference() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    found = set(options(build_parser()))
    assert "assess" in found
    assert "--judge" in found
    assert [option for option in sorted(found) if f"{option} " not in page and f"{option}`" not in page] == []


def test_every_event_is_in_the_reference() -> None:
    page = (REFERENCE / "events.md").read_text(encoding="utf-8")
    assert [kind.topic for kind in EVENTS if f"## `{kind.topic}`" not in page] == []


def test_a_sentence_of_an_error_reaches_the_page_with_its_remedy(tmp_path: Path) -> None:
    source = 'raise BadRequest(f"Row {row} of " + f"{path} is empty.", remedy="Fill it in.")\n'
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    assert "- Row … of … is empty. Fill it in.\n" in failures.render(tmp_path)
