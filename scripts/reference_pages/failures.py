"""docs/reference/errors.md: the branches of errors, and every sentence the source can answer with."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pairmark import errors

BRANCHES = (errors.BadRequest, errors.Busy, errors.BrokenData)

INTRODUCTION = """\
# Errors and exit codes

A failure is one sentence on stderr and the exit code of its branch. With `--json`, stdout
holds one JSON document: the result, or `error`, `remedy` and `exit_code`.

| exit code | HTTP status | branch | meaning |
| --- | --- | --- | --- |
| 0 | 200 | | It worked. |
| 130 | | | Stopped by Ctrl-C (143: by SIGTERM); the same command goes on where it was. |
"""


def render(source: Path) -> str:
    """The page, from the Python files under `source`."""
    rows = [
        f"| {branch.exit_code} | {branch.http_status} | `{branch.__name__}` | {_first_line(branch)} |"
        for branch in BRANCHES
    ]
    page = INTRODUCTION + "\n".join(rows) + "\n"
    sentences = sorted(set(_sentences(source)))
    for branch in BRANCHES:
        said = [sentence for name, sentence in sentences if name == branch.__name__]
        if said:
            page += f"\n## {branch.__name__}\n\n{_first_line(branch)} Where … stands, the message names the place.\n\n"
            page += "".join(f"- {sentence}\n" for sentence in said)
    return page


def _first_line(branch: type[errors.PairmarkError]) -> str:
    return (branch.__doc__ or "").strip().splitlines()[0]


def _sentences(source: Path) -> Iterator[tuple[str, str]]:
    names = {branch.__name__ for branch in BRANCHES}
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
                remedy = next((keyword.value for keyword in node.keywords if keyword.arg == "remedy"), None)
                sentence = f"{_template(node.args[0])} {_template(remedy)}".strip()
                if sentence.strip("… "):
                    yield node.func.id, sentence


def _template(node: ast.expr | None) -> str:
    """The text of a string expression, with … for what is filled in."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        return " ".join(str(node.value).split(" ")) if node.value else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    return "…"
