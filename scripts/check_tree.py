"""Rules of the tree that no linter knows: what no tracked file may hold, how long code may be, which names say nothing.

Run as `python scripts/check_tree.py`; prints each finding as path:line and exits with 1 if there is any.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES = 400
FUNCTION_LINES = 40
EMPTY_NAMES = frozenset(
    {"manager", "processor", "orchestrator", "coordinator", "helper", "helpers", "util", "utils", "common", "base"}
    | {"impl", "v2"}
)

# Put together from pieces, so that this file keeps its own rule.
MACHINE_FOLDERS = ("work", "root", "home", "Users", "tmp/brief")
REGISTRY_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry", "npmjs"),
    ("registry", "yarnpkg"),
    ("repo", "maven"),
    ("repo1", "maven"),
    ("deb", "debian"),
)
MACHINE_PATH = re.compile(r"(?<![\w.\-}*~])/(?:" + "|".join(MACHINE_FOLDERS) + r")/[\w.]")
REGISTRY_HOST = re.compile("|".join(re.escape(".".join(pieces)) for pieces in REGISTRY_HOSTS))


def main() -> int:
    """Check every file git knows of or would add; return the exit code."""
    findings = [finding for path in tracked() for finding in check(path)]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


def tracked() -> Iterator[Path]:
    """Every tracked file, and every new one that is not ignored, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return (Path(name) for name in sorted(set(names.split("\0")) - {""}) if (ROOT / name).is_file())


def check(path: Path) -> Iterator[str]:
    """Findings of one file; binary files have none."""
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    yield from check_text(path, text)
    if path.suffix == ".py":
        yield from check_python(path, text)


def check_text(path: Path, text: str) -> Iterator[str]:
    """No path of somebody's machine and no package registry's host."""
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine"
        if REGISTRY_HOST.search(line):
            yield f"{path}:{number}: the host of a package registry"


def check_python(path: Path, text: str) -> Iterator[str]:
    """Length of module and functions, and names that say nothing."""
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield f"{path}:1: {lines} lines; split it ({MODULE_LINES} at most)"
    if is_empty_name(path.stem):
        yield f"{path}:1: the name {path.stem!r} says nothing"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and is_empty_name(node.name):
            yield f"{path}:{node.lineno}: the name {node.name!r} says nothing"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {length(node)} lines ({FUNCTION_LINES} at most)"


def is_empty_name(name: str) -> bool:
    """Whether a word of the name (snake or camel case) is on the list."""
    if name.startswith("test_"):  # a test's name is a sentence
        return False
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
    return not EMPTY_NAMES.isdisjoint(word.lower() for word in words)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function with its signature; a string of many lines (docstring, SQL) counts as one."""
    return (node.end_lineno or node.lineno) - node.lineno + 1 - sum(extra_string_lines(child) for child in node.body)


def extra_string_lines(node: ast.AST) -> int:
    """Lines of all strings within `node`, beyond the first of each."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return (node.end_lineno or node.lineno) - node.lineno
    return sum(extra_string_lines(child) for child in ast.iter_child_nodes(node))


if __name__ == "__main__":
    sys.exit(main())
