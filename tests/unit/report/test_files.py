"""Output files: whole or not at all, except for what is no file, which is written into as it stands."""

import os
import stat
from threading import Thread

import pytest

from pairmark.report.files import put, writing


def into_text(path):
    with writing(path) as file:
        file.write("a,b\n")


@pytest.mark.parametrize("write", [lambda path: put(path.parent, {path.name: b"a,b\n"}), into_text])
def test_a_pipe_stays_a_pipe_and_what_is_written_comes_through(tmp_path, write):
    pipe = tmp_path / "out.csv"
    os.mkfifo(pipe)
    come: list[bytes] = []
    reader = Thread(target=lambda: come.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(10)
    assert come == [b"a,b\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "out.csv").write_text("before")
    half_written = writing(tmp_path / "out.csv")
    half_written.__enter__().write("half")
    half_written.__exit__(RuntimeError, RuntimeError(), None)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert put(tmp_path, {"out.csv": b"after"}) == [tmp_path / "out.csv"]
    assert (tmp_path / "out.csv").read_text() == "after"
