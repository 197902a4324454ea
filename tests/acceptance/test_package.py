"""The built package: it holds everything, says what it is, and works where there is no checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import pairmark

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
UV = (sys.executable, "-m", "uv")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(
        *UV, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable, "-o", folder, cwd=ROOT
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `pairmark` command of an environment that holds the wheel and borrows its dependencies from this one."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(*UV, "venv", "--quiet", "--offline", "--python", sys.executable, environment, cwd=ROOT)
    python = environment / "bin" / "python"
    run(*UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel, cwd=ROOT)
    (packages,) = environment.glob("lib/python3.*/site-packages")
    # A path added by a .pth file is not searched for further .pth files, so the checkout's own is not seen.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    found = run(python, "-c", "import pairmark; print(pairmark.__file__)", cwd=environment)
    assert found.startswith(str(packages))
    return environment / "bin" / "pairmark"


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_wheel_holds_every_source_file_and_nothing_else_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "pairmark").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == source


def test_the_metadata_name_version_licence_and_lowest_python(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("pairmark", pairmark.__version__)
    assert said["License-Expression"] == "Apache-2.0"
    assert said.get_all("License-File") == ["LICENSE", "THIRD_PARTY_NOTICES.md"]
    assert said["Requires-Python"] == ">=3.11"


def test_the_wheel_is_typed_for_those_who_use_it_as_a_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert "pairmark/py.typed" in archive.namelist()


def test_the_installed_command_answers_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "assess" in run(installed, "--help", cwd=tmp_path)


def test_the_installed_command_assesses_and_writes_its_report(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIRMARK_HOME", str(tmp_path / "home"))
    (tmp_path / "texts.csv").write_text("id,text\na,one\nb,one two\nc,one two three\n", encoding="utf-8")
    run(installed, "assess", "texts.csv", "--judge", "simulated:sd=1,seed=3", "--out", "out", cwd=tmp_path)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.html", "results.csv", "results.json", "judgements.csv"}
