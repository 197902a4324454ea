"""G4 and G8 from outside: the command is killed, or its server is, at any moment; the same command ends the batch, charged once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairmark.storage.embedded import EmbeddedServer
from pairmark.storage.waiting import until
from support.memory import places
from support.sizes import size

CLEAN = {"duplicates": 0, "lost": 0, "charged_twice": 0, "findings": []}
COMPARISONS = 40


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home with a server that stays up, so that a killed command costs the next one no start of it."""
    with TemporaryDirectory(prefix="pm-", dir=places()[0]) as short:
        Path(short).chmod(0o711)
        texts = Path(short) / "texts"
        texts.mkdir()
        for number in range(8):
            (texts / f"text-{number}.txt").write_text(f"This is text number {number}.\n")
        with EmbeddedServer.open(Path(short) / "home"):
            yield Path(short)


def assess(home: Path, name: str) -> subprocess.Popen[str]:
    """The command as a process of its own; the name makes the batch."""
    command = [sys.executable, "-m", "pairmark.cli.main", "assess", str(home / "texts"), "--json", "--name", name]
    command += [
        "--judge",
        "simulated:sd=1,seed=3,delay_ms=50",
        "--budget",
        str(COMPARISONS),
        "--out",
        str(home / "out"),
    ]
    environment = os.environ | {"PAIRMARK_HOME": str(home / "home")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    """Its result; the command must end well."""
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    return json.loads(out)


def holds(result: dict[str, object]) -> None:
    assert str(result["status"]).startswith("COMPLETE_")
    assert result["self_check"] == CLEAN
    assert result["comparisons"] == COMPARISONS
    paid = result["credits"]
    assert isinstance(paid, dict)
    assert (paid["charged"], paid["reserved"], paid["released"]) == (COMPARISONS, COMPARISONS, 0)
    events = result["events"]
    assert isinstance(events, dict)
    assert events["huleedu.cj_assessment.completed.v1"] == 1
    assert events["huleedu.llm_provider.comparison_result.v1"] == COMPARISONS


@settings(
    max_examples=size(3, 40),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(deaths=st.lists(st.integers(300, 2000), min_size=1, max_size=3))
def test_g4_command_killed_at_any_moments_ends_the_batch_when_it_is_given_again(home: Path, deaths: list[int]) -> None:
    name = f"killed after {deaths}"
    for milliseconds in deaths:
        process = assess(home, name)
        until(lambda process=process: process.poll() is not None, milliseconds / 1000)
        process.kill()
        process.communicate()
    holds(finish(assess(home, name)))


def test_g8_server_killed_under_a_running_command_is_started_again_and_the_batch_ends_clean(home: Path) -> None:
    """The postmaster dies by SIGKILL twice, in the middle of the asking."""
    process = assess(home, "server killed")
    for _ in range(2):
        assert until(lambda: asking(home), 30, pause=0.05)
        os.kill(postmaster(home), signal.SIGKILL)
    holds(finish(process))


def asking(home: Path) -> bool:
    """Whether the server answers and a batch waits for its judge."""
    with EmbeddedServer.open(home / "home") as server:
        try:
            with psycopg.connect(server.conninfo("pairmark"), connect_timeout=2) as connection:
                found = connection.execute(
                    "SELECT FROM assessment.batch WHERE status = 'PERFORMING_COMPARISONS'"
                ).fetchone()
        except psycopg.Error:
            return False
    return found is not None


def postmaster(home: Path) -> int:
    return int((home / "home/postgres/data/postmaster.pid").read_text().split()[0])
