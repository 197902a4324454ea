"""Bytes and characters of files people hand over: bounded, decoded strictly, refused with one sentence.

What the characters mean (columns, documents, essays) is decided in the modules beside this one.
"""

from pathlib import Path

from pairmark.errors import BadRequest

MEGABYTE = 1_000_000


def missing(path: Path) -> str:
    """What is wrong with a path that is no file, in a few words."""
    if path.is_symlink() and not path.exists():
        return "is a link that leads to no file"
    return "is not a file" if path.exists() else "does not exist"


def read_bounded(path: Path, limit: int) -> bytes:
    """The whole file, at most `limit` bytes; raises `BadRequest` when it is larger, missing or unreadable."""
    try:
        if not path.is_file():
            fault = missing(path)
            raise BadRequest(f"{path} {fault}.", remedy="Check the path.")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror}).", remedy="Check its permissions.") from error
    if len(data) > limit:
        raise BadRequest(f"{path} is larger than {limit // MEGABYTE} MB.", remedy="Split or shorten it.")
    return data


def decode_utf8(data: bytes, path: Path) -> str:
    """The characters of `data`, without a byte order mark; raises `BadRequest` naming the first bad byte."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"{path} is not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start} cannot be decoded.",
            remedy="Save it again with the encoding UTF-8.",
        ) from error
    nul = data.find(b"\0")
    if nul >= 0:
        raise BadRequest(f"{path} has a NUL byte at offset {nul}.", remedy="Save it again as plain UTF-8 text.")
    return text.removeprefix("\ufeff")
