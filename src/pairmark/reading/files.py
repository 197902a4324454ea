"""Bytes and characters of files people hand over: bounded, decoded strictly, refused with one sentence.

What the characters mean (columns, documents, essays) is decided in the modules beside this one.
"""

from pathlib import Path

from pairmark.errors import BadRequest

MEGABYTE = 1_000_000
PACKED = (  # how files begin that are no text, what they are, and what to do
    (b"\x1f\x8b", "is packed with gzip", "Unpack it first."),
    (b"BZh", "is packed with bzip2", "Unpack it first."),
    (b"\xfd7zXZ", "is packed with xz", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd", "Unpack it first."),
    (b"PK\x03\x04", "is an Excel workbook or another ZIP file", "Save the sheet as CSV, or unpack it."),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "Save the sheet as CSV."),
    (b"%PDF-", "is a PDF", "Give its table as CSV."),
    (b"\xff\xfe\0\0", "is UTF-32 text", "Save it again with the encoding UTF-8."),
    (b"\0\0\xfe\xff", "is UTF-32 text", "Save it again with the encoding UTF-8."),
)


def refuse_packed(head: bytes, path: Path) -> None:
    """Raise `BadRequest` where a file begins (`head`, 16 bytes or more of it) like one that is no text at all."""
    for start, fault, remedy in PACKED:
        if head.startswith(start):
            raise BadRequest(f"{path} {fault}, not a CSV.", remedy=remedy)


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
