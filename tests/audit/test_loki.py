"""Loki as a source, against a server that refuses what the real one refuses and drops what it drops."""

import json
from base64 import b64encode
from io import StringIO

import pytest
from rich.console import Console

from pairmark.audit import audit
from pairmark.audit.page import render_html
from pairmark.audit.sources.address import open_source
from pairmark.audit.sources.loki import LokiLogs
from pairmark.audit.sources.loki_http import LONGEST_PAUSE, TRIES
from pairmark.audit.terminal import print_report
from pairmark.audit.texts import markdown
from pairmark.errors import BadRequest, Busy, PairmarkError

S = 10**9
BEGIN = 1_763_164_800 * S  # 2025-11-15T00:00:00Z
DAY = "from=2025-11-15T00:00:00Z&to=2025-11-16T00:00:00Z"


def line(batch: str, number: object = 0, **more: object) -> str:
    return json.dumps(
        {"event": "published", "event_type": "done", "extra_batch_id": batch, "event_id": str(number), **more}
    )


def address(loki, query='{app="cj"}', more=DAY):
    return f"{loki.address}?query={query}&{more}"


def filled(loki, hours=range(24), **labels):
    """A line in each hour, so that no span of time is empty."""
    for hour in hours:
        loki.push(f"tick {hour}", BEGIN + hour * 3_600 * S, **({"app": "cj"} | labels))


def test_all_lines_come_by_halving_and_no_tie_is_lost(loki):
    filled(loki)
    for number in range(5_200):
        loki.push(line(f"b-{number}"), BEGIN + number // 400 * S, app="cj", pod=str(number % 3))
    report = audit(address(loki))
    assert (report.totals["events"], report.totals["facts"]) == (5_200, 5_200)
    assert report.verdict == "clean"
    whole = [end - begin for begin, end in loki.asked]
    assert min(whole) < 60 * S
    assert max(whole) <= 3_600 * S


def test_more_lines_at_one_moment_than_loki_gives_is_no_clean_result(loki):
    filled(loki)
    loki.most_lines = 50
    for number in range(51):
        loki.push(line(f"b-{number}"), BEGIN + 7, app="cj")
    report = audit(address(loki))
    assert (report.totals["events"], report.verdict) == (50, "undetermined")
    assert any("1 moments have 50 lines or more" in one for one in report.limits)


def test_the_server_may_allow_fewer_lines_an_answer(loki):
    filled(loki)
    loki.most_lines = 40
    for number in range(100):
        loki.push(line(f"b-{number}"), BEGIN + number, app="cj")
    assert audit(address(loki)).totals["events"] == 100


def test_a_long_span_is_asked_for_in_parts_that_loki_accepts(loki):
    loki.push(line("b"), BEGIN, app="cj")
    loki.push(line("b"), BEGIN + 1, app="cj")
    report = audit(address(loki, more="from=2025-10-01&to=2025-12-01"))
    assert report.totals["events"] == 2
    before, after, *_ = report.limits
    assert "No logs before 2025-11-15T00:00:00+00:00: absence proves nothing there" in before
    assert "No logs from 2025-11-16T00:00:00+00:00 to 2025-12-01T00:00:00+00:00" in after


def test_where_logs_begin_late_a_clean_result_is_none_unless_no_begin_was_asked_for(loki):
    filled(loki, range(5, 24))
    loki.push(line("b"), BEGIN + 6 * 3_600 * S, app="cj")
    report = audit(address(loki))
    assert report.verdict == "undetermined"
    assert "No logs before 2025-11-15T05:00:00+00:00: absence proves nothing there." in report.limits
    assert audit(address(loki, more="to=2025-11-16T00:00:00Z")).verdict == "clean"
    assert audit(address(loki, more="from=2025-11-15T05:00:00Z&to=2025-11-16T00:00:00Z")).verdict == "clean"


def test_no_line_at_all_is_unknown(loki):
    report = audit(address(loki, '{app="other"}'), columns={"aggregate": "log_line", "type": "log_line"})
    assert report.verdict == "undetermined"
    assert any("absence proves nothing" in one for one in report.limits)
    printed = Console(file=StringIO(), width=200)
    print_report(report, printed)
    for shown in (printed.file.getvalue(), markdown(report), render_html(report)):
        assert "absence proves nothing" in shown


def test_the_same_line_at_the_same_time_is_dropped_by_loki_and_that_is_said(loki):
    filled(loki)
    for _ in range(2):
        loki.push(line("b"), BEGIN + 5, app="cj")
    report = audit(address(loki))
    assert report.totals["events"] == 1
    assert any("alike to the nanosecond" in one for one in report.limits)


@pytest.mark.parametrize("query", ['{app="cj"}', '{app="cj"} | json', '{app="cj"} |= "published" | json'])
def test_columns_are_recognised_in_lines_and_in_what_loki_extracts(loki, query):
    filled(loki)
    loki.push(line("b", 1), BEGIN + 5, app="cj")
    loki.push(line("b", 2), BEGIN + 6, app="cj")
    loki.push("published=yes and no JSON at all", BEGIN + 7, app="cj")
    report = audit(address(loki, query))
    assert {part: report.columns[part] for part in ("type", "time", "id")} == {
        "type": "event_type", "time": "log_time", "id": "event_id"
    }  # fmt: skip
    assert report.columns["aggregate"] == "extra_batch_id"
    (found,) = report.findings
    assert (found.key, found.events, found.ids) == ({"aggregate": "b", "type": "done"}, 2, "each its own")


def test_several_tenants_are_asked_one_by_one(loki):
    loki.tenants = True
    for tenant in ("one", "two"):
        loki.push(line("b"), BEGIN, tenant=tenant, app="cj")
    with pytest.raises(BadRequest, match=r"several tenants.*&tenant="):
        audit(address(loki))
    report = audit(address(loki, more=f"{DAY}&tenant=one,two"))
    assert report.totals["events"] == 2
    assert any("of tenant two" in one for one in report.limits)
    by_tenant = audit(
        address(loki, more=f"{DAY}&tenant=one,two"), columns={"key": "tenant"}, unique_on=["aggregate", "key"]
    )
    assert by_tenant.totals["duplicates"] == 0


def test_a_busy_server_is_asked_again_when_it_says_and_not_for_ever(loki):
    filled(loki)
    loki.push(line("b"), BEGIN + 5, app="cj")
    loki.faults = [
        (429, {"Retry-After": "3"}, "too many outstanding requests"),
        (503, {}, ""),
        (500, {"Retry-After": "9999"}, ""),
    ]
    waited: list[float] = []
    source = open_source(address(loki))
    assert isinstance(source, LokiLogs)
    source.loki.pause = waited.append
    assert "event_type" in source.columns()
    source.close()
    assert waited == [3.0, 1.0, LONGEST_PAUSE]


def test_a_server_that_stays_busy_or_is_down_is_told(loki):
    loki.faults = [(503, {}, "no")] * TRIES
    for prepare in (lambda: None, loki.close):
        prepare()
        source = open_source(address(loki))
        source.loki.pause = lambda _: None
        with pytest.raises(Busy, match="cannot be reached"):
            source.columns()
        source.close()


def test_a_query_that_is_too_slow_is_asked_for_in_shorter_spans(loki):
    filled(loki)
    loki.faults = [(504, {}, "gateway timeout"), (500, {}, "context deadline exceeded")]
    assert audit(address(loki), columns={"aggregate": "app", "type": "app"}).totals["events"] == 24
    assert min(end - begin for begin, end in loki.asked) == 900 * S


ANSWERS = [
    (401, {}, "no", "refuses the login (401)"),
    (403, {}, "no", "PAIRMARK_LOKI_TOKEN"),
    (400, {}, "parse error at line 1, col 9: syntax error", "parse error at line 1"),
    (302, {"Location": "http://elsewhere.example/"}, "", "sends us elsewhere (302)"),
    (404, {}, "404 page not found", "refuses the query (404)"),
    (200, {}, "<html>", "none of Loki's"),
    (200, {}, '{"data": {"resultType": "streams", "result": [{}]}}', "none of Loki's"),
    (200, {}, '{"data": {"resultType": "matrix", "result": []}}', "counts lines"),
]


@pytest.mark.parametrize(("status", "headers", "body", "words"), ANSWERS)
def test_what_cannot_be_used_is_refused_in_one_sentence(loki, monkeypatch, status, headers, body, words):
    monkeypatch.setenv("PAIRMARK_LOKI_TOKEN", "hush")
    loki.faults = [(status, headers, body)]
    with pytest.raises(PairmarkError) as refused:
        audit(address(loki))
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(loki.seen) == 1


@pytest.mark.parametrize(
    ("settings", "sent"),
    [({"PAIRMARK_LOKI_TOKEN": "t0"}, "Bearer t0"),
     ({"PAIRMARK_LOKI_USER": "u", "PAIRMARK_LOKI_PASSWORD": "p"}, "Basic " + b64encode(b"u:p").decode())],
)  # fmt: skip
def test_who_asks_comes_from_the_environment(loki, monkeypatch, settings, sent):
    filled(loki)
    loki.authorization = sent
    with pytest.raises(BadRequest, match="refuses the login"):
        audit(address(loki))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert audit(address(loki), columns={"aggregate": "app", "type": "app"}).totals["events"] == 24


ADDRESSES = [
    ("loki+http://me:hush@host?query={a}", ["PAIRMARK_LOKI_TOKEN"]),
    ("loki+http://host", ["lacks a log query", "loki+http://host:3100?query="]),
    ("loki+http://host?query=sum(rate({a}[1m]))", ["lacks a log query, which begins with {"]),
    ("loki+http://host?query={a}&limit=9", ["does not know limit"]),
    ("loki+http://host?query={a}&from=yesterday", ["'yesterday' is no time", "from=7d"]),
    ("loki+http://host?query={a}&from=2025-02-01&to=2025-01-01", ["is not before"]),
    ("loki+https://?query={a}", ["loki+https://"]),
]


@pytest.mark.parametrize(("text", "words"), ADDRESSES)
def test_addresses_that_cannot_be_right_are_refused(text, words):
    with pytest.raises(BadRequest) as refused:
        open_source(text)
    assert "hush" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def test_the_default_is_the_last_week(loki):
    source = open_source(f'{loki.address}?query={{app="cj"}}')
    assert isinstance(source, LokiLogs)
    assert source.end - source.begin == 7 * 24 * 3_600 * S
    source.close()
