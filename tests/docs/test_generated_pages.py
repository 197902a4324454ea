"""The generated pages say what the source says, and nothing that a person can type is missing from them."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from generate_reference import pages
from pairmark.cli.main import build_parser
from pairmark.events.catalogue import EVENTS
from reference_pages import cost_of_fits, failures

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


def test_the_chart_of_the_cost_of_fits_and_its_table_hold_the_recorded_numbers(tmp_path: Path) -> None:
    results, times = tmp_path / "results.json", {100_000: 20.04, 50_000: 11.0}
    recorded = [{"what": f"fit, 2,000 x {rows:,}", "value": value} for rows, value in times.items()]
    other = {"what": "fit, 10,000 x 1,000,000", "value": 200.0}
    results.write_text(json.dumps({"runs": [{"rows": [other]}, {"rows": recorded}]}))
    specification = cost_of_fits.specification(results)
    assert specification is not None
    assert json.loads(specification)["data"]["values"] == [
        {"comparisons": 50_000, "milliseconds": 11.0, "linear": 11.0},
        {"comparisons": 100_000, "milliseconds": 20.0, "linear": 22.0},
    ]
    page = cost_of_fits.render(results, "chart.json")
    assert "| 50,000 | 11 | 11 |\n| 100,000 | 20 | 22 |" in page
    assert "(chart.json)" in page


def test_without_a_recorded_run_there_is_no_chart(tmp_path: Path) -> None:
    assert cost_of_fits.specification(tmp_path / "none.json") is None
    assert "No run is recorded yet." in cost_of_fits.render(tmp_path / "none.json", "chart.json")
