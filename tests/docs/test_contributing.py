"""What CONTRIBUTING.md and the Makefile promise to people who change Pairmark."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import check_tree

ROOT = Path(__file__).resolve().parents[2]
SETS = ("run", "dev", "bench")
LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)", flags=re.MULTILINE)
TESTS_OF_SKIPPING = """
import pytest

def test_needs_a_part():
    pytest.skip("no browser")

@pytest.mark.may_skip(reason="only on macOS")
def test_excused():
    pytest.skip("not macOS")

@pytest.mark.xfail(reason="known")
def test_known_to_fail():
    assert False
"""


def locked(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {package: Version(version) for package, version in LOCKED.findall(text)}


def wanted(group: str) -> list[Requirement]:
    """What pyproject.toml asks for, with included groups."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = [Requirement(text) for text in declared["project"]["dependencies"]]
    waiting = [{"run": "build"}.get(group, group)]
    while waiting:
        for entry in declared["dependency-groups"][waiting.pop()]:
            if isinstance(entry, dict):
                waiting.append(entry["include-group"])
            else:
                found.append(Requirement(entry))
    return found


@pytest.mark.parametrize("name", SETS)
def test_the_lock_satisfies_what_pyproject_asks_for(name: str) -> None:
    versions = locked(name)
    unmet = [
        str(requirement)
        for requirement in wanted(name)
        if requirement.name not in versions or not requirement.specifier.contains(versions[requirement.name])
    ]
    assert unmet == [], "run make lock"


def test_each_set_of_packages_contains_the_one_before_in_the_same_versions() -> None:
    run, dev, bench = (locked(name).items() for name in SETS)
    assert run < dev
    assert dev < bench


@pytest.mark.parametrize("name", [*SETS, "uv"])
def test_lock_files_name_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z])", text.strip()))


@pytest.mark.parametrize(
    ("ci", "closing", "code"), [("", "2 skipped, 1 xfailed", 0), ("true", "1 failed, 1 skipped", 1)]
)
def test_a_skip_is_a_failure_on_ci_unless_excused(tmp_path: Path, ci: str, closing: str, code: int) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_parts.py").write_text(TESTS_OF_SKIPPING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = may_skip\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False
    )
    assert closing in done.stdout.splitlines()[-1]
    assert done.returncode == code


def test_a_module_that_skips_itself_is_a_failure_on_ci(tmp_path: Path) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_parts.py").write_text("import pytest\npytest.importorskip('no_such_part')\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "CI": "true"}, capture_output=True, text=True, check=False
    )
    assert "counts as a failure on CI" in done.stdout
    assert done.returncode != 0


def test_the_layers_shown_are_the_layers_checked() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Layers")[2]
    shown = [re.split(r"\s{2,}", line)[0].split(" · ") for line in page.split("```")[1].strip().splitlines()]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (one for one in declared["tool"]["importlinter"]["contracts"] if one["id"] == "layers")
    assert shown == [re.findall(r"\w+", layer) for layer in contract["layers"]]


def test_help_names_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert targets is not None
    assert set(re.findall(r"^  make (\S+) ", done.stdout, flags=re.MULTILINE)) == set(targets[1].split())


@pytest.mark.parametrize(
    "text",
    ["see /" + "home/ada/notes.txt", "open '/" + "work/main'", "index = https://" + "py" + "pi.org/simple"],
)
def test_the_tree_holds_no_path_of_a_machine_and_no_registry(text: str) -> None:
    assert list(check_tree.check_text(Path("page.md"), text)) != []


@pytest.mark.parametrize("text", ["docs/home/page.md", "https://example.org/home/x", "teamwork/rooted", "~/work/x"])
def test_ordinary_paths_are_not_taken_for_a_machine_s(text: str) -> None:
    assert list(check_tree.check_text(Path("page.md"), text)) == []


@pytest.mark.parametrize(
    ("name", "empty"),
    [("BatchManager", True), ("relay_helper", True), ("utils", True), ("database_url", False), ("baseline", False)],
)
def test_names_that_say_nothing_are_found(name: str, empty: bool) -> None:
    assert check_tree.is_empty_name(name) is empty


def test_overlong_functions_are_found_but_long_strings_are_not_counted() -> None:
    body = "".join(f"    x{number} = {number}\n" for number in range(41))
    sql = '    sql = """' + "\n" * 80 + '"""\n'
    assert len(list(check_tree.check_python(Path("a.py"), f"def long():\n{body}"))) == 1
    assert list(check_tree.check_python(Path("a.py"), f"def short():\n{sql}")) == []
