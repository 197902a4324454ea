"""A forked command, as most tests run it, is what a started one is: it says the same, ends the same, and can be killed."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Pairmark, data_folder

VOTES = "won,lost\na,b\nb,c\na,c\nc,a\n"


@pytest.fixture(scope="module")
def pairmark() -> Iterator[Pairmark]:
    with data_folder() as pairmark:
        yield pairmark


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("assess", "--help"),
        ("status",),
        ("doctor",),
        ("score", "votes.csv"),
        ("assess", "missing", "--judge", "surface", "--json"),
        ("status", "--database", "postgresql://nobody@127.0.0.1:1/nothing"),
    ],
    ids=" ".join,
)
def test_a_forked_command_says_what_a_started_one_says(
    pairmark: Pairmark, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """In its own folder, and as wide as its own environment says."""
    (tmp_path / "votes.csv").write_text(VOTES, encoding="utf-8")
    narrow = Pairmark(pairmark.home, COLUMNS="60")
    forked, spawned = (run(words, cwd=tmp_path) for run in (narrow.forked, narrow.spawned))
    assert forked == spawned
    assert forked.out + forked.err


def test_a_forked_command_that_hangs_is_killed(pairmark: Pairmark, tmp_path: Path) -> None:
    path, state = tmp_path / "outbox.csv", tmp_path / "state.json"
    path.write_text("aggregate_id,event_type,created_at\na,done,2026-01-05\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()[:2]
    words = ("audit", "watch", path, "--interval", "1h", "--state", state, "--listen", f"127.0.0.1:{address[1]}")
    with pytest.raises(subprocess.TimeoutExpired):
        pairmark.forked(words, timeout=3)
    assert state.exists(), "it was at work"
    socket.create_server(address).close()  # nobody listens there any more
