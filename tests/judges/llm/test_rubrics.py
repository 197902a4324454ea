from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.judges.llm.rubrics import MOST_BYTES, PRESETS, read_rubric, read_words


def test_presets_are_chosen_by_name() -> None:
    assert read_rubric("Argumentative ") == PRESETS["argumentative"]
    assert all("\n" in text and len(text) < 2_000 for text in PRESETS.values())


def test_a_file_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "rubric.txt"
    path.write_bytes("\ufeffClarity first.\r\nThen order.\n".encode())
    assert read_rubric(str(path)) == "Clarity first.\nThen order."
    path.write_text("x" * MOST_BYTES, encoding="utf-8")
    assert len(read_words(path, "task")) == MOST_BYTES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * 1_000_000, "is larger than 32 kB. Shorten it; it is sent with every comparison."),
        (b"x" * (MOST_BYTES + 1), "is larger than 32 kB."),
        (b"", "is empty."),
        (b" \n\t ", "is empty."),
        (b"\xff\xfe\xfa", "is not UTF-8 text"),
        (b"a\0b", "has a NUL byte"),
        (b"a\x1b[31mb", "is no plain text: it holds control characters."),
    ],
)
def test_what_is_no_rubric_is_refused_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rubric.txt"
    path.write_bytes(content)
    with pytest.raises(BadRequest) as refused:
        read_rubric(str(path))
    assert said in str(refused.value)


def test_a_rubric_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadRequest, match=r"neither a file nor one of quality, argumentative, narrative, summary, second"
    ):
        read_rubric(str(tmp_path / "none.txt"))
    with pytest.raises(BadRequest, match="is not a file"):
        read_rubric(str(tmp_path))
