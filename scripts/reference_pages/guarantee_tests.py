"""The list of tests that carry each guarantee, for docs/explanation/guarantees.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

GUARANTEE = re.compile(r"test_g(\d+)_")


def render(tests: Path) -> str:
    """One list item for each guarantee that has tests: file, then the tests' names as sentences."""
    found: dict[int, dict[Path, list[str]]] = {}
    for number, path, name in _tests(tests):
        found.setdefault(number, {}).setdefault(path, []).append(name)
    lines = []
    for number in sorted(found):
        lines.append(f"**G{number}**\n")
        for path, names in found[number].items():
            shown = path.relative_to(tests.parent)
            lines += [f"- [`{shown}`](../../{shown})", *(f"  - {_sentence(name)}" for name in names)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def numbers(tests: Path) -> set[int]:
    """Guarantees that have at least one test."""
    return {number for number, _, _ in _tests(tests)}


def _tests(tests: Path) -> Iterator[tuple[int, Path, str]]:
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (match := GUARANTEE.match(node.name)):
                yield int(match[1]), path, node.name


def _sentence(name: str) -> str:
    return GUARANTEE.sub("", name).replace("_", " ")
