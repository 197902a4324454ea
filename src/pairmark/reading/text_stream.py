"""A large text file as lines, whatever its encoding: UTF-8, UTF-16, or lines of Windows-1252 among them.

The file is never held as a whole. Small files with one allowed encoding are read by `files`.
"""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.files import MEGABYTE, missing, refuse_packed

BLOCK = 1 << 20
UNUSED_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Lines:
    """The lines of a file, ends included, to be read once; `digest` is the sha256 of its bytes.

    `other` counts the lines so far that were not UTF-8 and were read as Windows-1252; `first_other` is the first of them.
    `open_end`: the last line has no line end, as in a file that was cut off.
    """

    stream: Iterator[str]
    digest: str
    open_end: bool = False
    other: int = field(default=0)
    first_other: int = field(default=0)


@contextmanager
def open_lines(path: Path, limit: int) -> Iterator[Lines]:
    """Open `path`, of at most `limit` bytes; raises `BadRequest` when it is missing, larger, unreadable or not text."""
    try:
        if not path.is_file():
            fault = missing(path)
            raise BadRequest(f"{path} {fault}.", remedy="Check the path.")
        if path.stat().st_size > limit:
            raise BadRequest(f"{path} is larger than {limit // MEGABYTE:,} MB.", remedy="Split it.")
        encoding, digest, open_end = _survey(path)
        with path.open("rb") as raw:
            lines = Lines(iter(()), digest, open_end)
            if encoding is None:
                lines.stream = _mixed(raw, lines)
            else:
                lines.stream = _strict(TextIOWrapper(raw, encoding, newline=""), path)
            yield lines
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror}).", remedy="Check its permissions.") from error


def _survey(path: Path) -> tuple[str | None, str, bool]:
    """The encoding, None if it is mixed, the digest and whether the last line is open, from one pass over the bytes."""
    digest, decoder = sha256(), codecs.getincrementaldecoder("utf-8")()
    encoding: str | None = "utf-8-sig"
    with path.open("rb") as raw:
        block, last = raw.read(BLOCK), b""
        refuse_packed(block, path)
        if block.startswith(UTF_16):
            encoding = "utf-16"
        while block:
            last = block
            digest.update(block)
            if encoding == "utf-8-sig":
                if b"\0" in block:
                    raise BadRequest(
                        f"{path} has NUL bytes, so it is not text.", remedy="Save it again as CSV, as UTF-8."
                    )
                encoding = encoding if _decodable(decoder, block) else None
            block = raw.read(BLOCK)
    if encoding == "utf-8-sig" and not _decodable(decoder, b"", final=True):
        encoding = None
    return encoding, digest.hexdigest(), not last.rstrip(b"\0").endswith((b"\n", b"\r"))


def _decodable(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _strict(stream: TextIOWrapper, path: Path) -> Iterator[str]:
    try:
        yield from stream
    except UnicodeError as error:
        raise BadRequest(f"{path} breaks off inside a character.", remedy="Save it again as UTF-8.") from error


def _mixed(raw: Iterator[bytes], lines: Lines) -> Iterator[str]:
    pieces = (piece for line in raw for piece in line.splitlines(keepends=True))  # old Macs end lines with \r alone
    for number, line in enumerate(pieces, start=1):
        data = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        try:
            yield data.decode()
        except UnicodeDecodeError:
            lines.other += 1
            lines.first_other = lines.first_other or number
            yield _windows_1252(data)


def _windows_1252(data: bytes) -> str:
    """Every byte as one character; the five that the code page leaves open as the control character of their number."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte in UNUSED_IN_1252 else bytes([byte]).decode("cp1252") for byte in data)
