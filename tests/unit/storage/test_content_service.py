"""One text of another service: what it may be, and how every wait and every size ends."""

import codecs
import gzip
import resource
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pairmark.config import ContentAccess, content_access, load
from pairmark.errors import BadRequest
from pairmark.storage import content_service as module
from pairmark.storage.content_service import ContentService
from pairmark.storage.texts import LONGEST_TEXT, NoText, NotNow
from support.content import FakeContent, bomb, cut, cut_in_pieces, endless, ok, raw, silent, status

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
def service(content_service: FakeContent) -> Iterator[ContentService]:
    service = ContentService(content_service.access)
    yield service
    service.close()


def test_a_text_is_fetched_with_the_token(content_service: FakeContent, service: ContentService):
    content_service.has("t-1", "Åland är en ö.")
    assert service.get("t-1") == "Åland är en ö."
    assert b"authorization: bearer secret-token" in content_service.seen[0].lower()
    assert "secret-token" not in repr(content_service.access)


TEXTS = {
    "no charset is UTF-8": (ok("å".encode(), "text/plain"), "å"),
    "declared latin-1": (ok("å".encode("latin-1"), "text/plain; charset=ISO-8859-1"), "å"),
    "declared in quotes": (ok("å".encode("cp1252"), 'text/plain; charset="windows-1252"'), "å"),
    "marked as UTF-8": (ok(codecs.BOM_UTF8 + "å".encode(), "text/plain"), "å"),
    "marked as UTF-8 against what is declared": (ok(codecs.BOM_UTF8 + "å".encode(), "text/plain; charset=latin-1"), "å"),
    "marked as UTF-16": (ok("å".encode("utf-16"), "text/plain"), "å"),
    "markdown": (ok(b"# x", "text/markdown"), "# x"),
    "bytes of no type": (ok(b"x", "application/octet-stream"), "x"),
    "no type at all": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), "x"),
    "packed": (ok(gzip.compress("å".encode()), "text/plain", "Content-Encoding: gzip"), "å"),
    "in chunks": (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n"), "xyz"),
    "empty": (ok(b""), ""),
    "the longest": (ok(b"x" * LONGEST_TEXT), "x" * LONGEST_TEXT),
    "moved within the host": (status(302, "Location: /v1/content/target"), "found"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_every_form_are_read(content_service: FakeContent, service: ContentService, kind: str):
    content_service.has("target", "found")
    content_service.play("t", TEXTS[kind][0])
    assert service.get("t") == TEXTS[kind][1]


REFUSED = {
    "not there": (status(404), "does not have it"),
    "gone": (status(410), "no more"),
    "an id the service dislikes": (status(400), "status 400"),
    "no text": (ok(b"%PDF-1.7", "application/pdf"), "application/pdf"),
    "JSON": (ok(b'{"text": "x"}', "application/json"), "application/json"),
    "another charset than declared": (ok("å".encode("latin-1")), "cannot be read as utf-8"),
    "a charset nobody knows": (ok(b"x", "text/plain; charset=klingon"), "cannot be read as klingon"),
    "a charset that is none": (ok(b"x", "text/plain; charset=zlib_codec"), "cannot be read as zlib_codec"),
    "half a character in UTF-7": (ok(b"+2AA-", "text/plain; charset=utf-7"), "cannot be read as utf-7"),
    "escapes of Python": (ok(rb"\ud800", "text/plain; charset=unicode_escape"), "cannot be read as unicode_escape"),
    "names of hosts": (ok(b"abc", "text/plain; charset=IDNA"), "cannot be read as IDNA"),
    "a zero byte": (ok(b"a\0b"), "zero byte"),
    "one character too many": (ok(b"x" * (LONGEST_TEXT + 1)), "1,000,000 characters"),
    "no end": (endless(), "4,000,000 bytes"),
    "a small body that unpacks to much": (bomb(200_000_000), "4,000,000 bytes"),
    "the same packed twice": (bomb(200_000_000, 2), "4,000,000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_usable_text_is_refused_with_its_reason(
    content_service: FakeContent, service: ContentService, kind: str
):
    content_service.play("t", REFUSED[kind][0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NoText, match=REFUSED[kind][1]):
        service.get("t")
    assert len(content_service.seen) == 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


LATER = {
    "an error of the service": (status(500), "status 500", None),
    "overloaded": (status(503, "Retry-After: 7"), "status 503", 7.0),
    "too fast": (status(429, "Retry-After: 3"), "status 429", 3.0),
    "too fast, without a hint": (status(429), "status 429", None),
    "too fast, with a hint nobody understands": (status(429, "Retry-After: soon"), "status 429", None),
    "wrong token": (status(401), "status 401", None),
    "cut": (cut(b"half", 1_000), "breaks off", None),
    "cut between chunks": (cut_in_pieces(b"half"), "breaks off", None),
    "a body that ends with the line": (raw(HEAD + b"\r\nhalf or whole"), "where a text ends", None),
    "cut in the headers": (raw(HEAD), "where a text ends", None),
    "nothing": (raw(b""), "breaks off", None),
    "no HTTP": (raw(b"hello\r\n\r\n"), "breaks off", None),
    "packed badly": (ok(b"no gzip", "text/plain", "Content-Encoding: gzip"), "cannot be unpacked", None),
    "moved to another host": (status(302, "Location: http://127.0.0.2/x"), "another host", None),
    "moved to another port": (status(302, "Location: http://127.0.0.1:1/x"), "another host", None),
    "moved to another scheme": (status(302, "Location: file:///etc/passwd"), "another host", None),
    "moved without a scheme": (status(302, "Location: //elsewhere.example/x"), "another host", None),
    "moved to no address": (status(302, "Location: //["), "another host", None),
    "busy until a moment in no zone": (
        status(503, "Retry-After: Mon, 01 Jan 2024 00:00:00 +99999999999999"), "status 503", None),
    "moved in a circle": (status(302, "Location: /v1/content/t"), "in a circle", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", LATER)
def test_what_may_be_better_later_is_told_apart(content_service: FakeContent, service: ContentService, kind: str):
    script, said, later = LATER[kind]
    content_service.play("t", script)
    with pytest.raises(NotNow, match=said) as caught:
        service.get("t")
    assert caught.value.later == later
    assert "secret" not in str(caught.value)
    content_service.has("t", "fine")
    assert service.get("t") == "fine"


def test_a_moment_to_come_back_at_is_understood(content_service: FakeContent, service: ContentService):
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    content_service.play("t", status(503, f"Retry-After: {then}"))
    with pytest.raises(NotNow) as caught:
        service.get("t")
    assert caught.value.later is not None
    assert 60 < caught.value.later <= 100


@pytest.mark.parametrize("host", ["http", "p", "content:8080"])
def test_a_host_may_be_called_as_the_scheme_is(host: str):
    service = ContentService(ContentAccess(f"http://{host}/v1/{{id}}"))
    assert service._target == "/v1/{id}"
    service.close()


def test_a_service_that_is_not_there_is_told_as_such():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = ContentService(ContentAccess(f"http://127.0.0.1:{port}/{{id}}"))
    with pytest.raises(NotNow, match="cannot be reached"):
        service.get("t")
    service.close()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 2", HEAD, HEAD + b"Content-Length: 9\r\n\r\nhalf", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5"],
    ids=["nothing", "half a status", "half the headers", "half the body", "half a chunk's size"],
)  # fmt: skip
def test_a_service_that_falls_silent_is_left_after_the_whole_time(content_service: FakeContent, said: bytes):
    """Not after the silence only: what drips would never be silent long enough."""
    service = ContentService(content_service.access, total=0.2)
    content_service.play("t", silent(said, content_service.stopped))
    with pytest.raises(NotNow, match="too slow"):
        service.get("t")
    service.close()


def test_a_silence_is_left_before_the_whole_time(content_service: FakeContent, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "READ_SECONDS", 0.2)
    service = ContentService(content_service.access)
    content_service.play("t", silent(HEAD, content_service.stopped))
    with pytest.raises(NotNow, match="too slow"):
        service.get("t")
    service.close()


def test_a_body_that_drips_ends_with_the_time_by_the_clock(content_service: FakeContent):
    """A second passes with each look at the clock; the body itself never stops."""
    moment = iter(range(10_000))
    service = ContentService(content_service.access, total=30.0, monotonic=lambda: float(next(moment)))
    content_service.play("t", endless(b"drip"))
    with pytest.raises(NotNow, match="too slow"):
        service.get("t")
    assert next(moment) < 40
    service.close()


def test_breaking_off_ends_a_wait_at_once(content_service: FakeContent, service: ContentService):
    asked, caught = threading.Event(), []

    def play(line: socket.socket) -> None:
        asked.set()
        content_service.stopped.wait(30)

    def get() -> None:
        try:
            service.get("t")
        except NotNow as error:
            caught.append(str(error))

    content_service.play("t", play)
    thread = threading.Thread(target=get)
    thread.start()
    assert asked.wait(10)
    service.break_off()
    thread.join(10)
    assert caught == ["the content service breaks off"]


IDS = {
    "a b": "a%20b",
    "a/b": "a%2Fb",
    "a?b=c#d": "a%3Fb%3Dc%23d",
    "å🎓": "%C3%A5%F0%9F%8E%93",
    "%2e%2e": "%252e%252e",
    "a\r\nHost: evil": "a%0D%0AHost%3A%20evil",
    "http://evil.example/": "http%3A%2F%2Fevil.example%2F",
    "@evil.example": "%40evil.example",
    "a..b": "a..b",
    "{id}": "%7Bid%7D",
}


@pytest.mark.parametrize("identity", IDS)
def test_an_id_stays_one_piece_of_the_address(content_service: FakeContent, service: ContentService, identity: str):
    content_service.has(IDS[identity], "found")
    assert service.get(identity) == "found"
    assert content_service.asked() == [f"/v1/content/{IDS[identity]}"]


@pytest.mark.parametrize("identity", ["", ".", "..", "../admin", "a/../../b", "..\\b", "a/.."])
def test_an_id_that_leads_elsewhere_is_never_sent(content_service: FakeContent, service: ContentService, identity: str):
    with pytest.raises(NoText, match="cannot stand in an address"):
        service.get(identity)
    assert content_service.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "content:8080/{id}", "ftp://content/{id}", "http://content/", "http://content/{id}/{id}", "http://{id}/x", "http:///{id}",
        "http://user:secret@content/{id}", "http://content/{id}#x", "http://content:99999/{id}", "http://content/ {id}",
        "http://content:x/{id}", "http://[/{id}",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str):
    with pytest.raises(BadRequest, match="PAIRMARK_CONTENT_URL") as caught:
        load(environ={"PAIRMARK_CONTENT_URL": url, "PAIRMARK_HOME": "x"})
    assert "secret" not in str(caught.value)


def test_a_token_that_could_break_a_header_is_refused_without_repeating_it():
    with pytest.raises(BadRequest, match="PAIRMARK_CONTENT_TOKEN") as caught:
        content_access({"PAIRMARK_CONTENT_URL": "http://content/{id}", "PAIRMARK_CONTENT_TOKEN": "secret\r\nX: y"})
    assert "secret" not in str(caught.value)


def test_the_id_may_stand_in_a_query_and_there_may_be_no_service(content_service: FakeContent):
    assert content_access({}) is None
    found = content_access({"PAIRMARK_CONTENT_URL": f"http://127.0.0.1:{content_service.port}?key={{id}}&raw=1"})
    assert found is not None
    content_service.scripts["/?key=a%26b&raw=1"] = [ok(b"found")]
    service = ContentService(found)
    assert service.get("a&b") == "found"
    service.close()
    assert b"authorization" not in content_service.seen[0].lower()
