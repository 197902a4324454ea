"""Lines of logs as a source: what a line can look like, and what of it is told."""

import gzip
import json

import pytest

from pairmark.audit import audit
from pairmark.audit.sources.lines import fields_of
from pairmark.errors import BadRequest

JSON_LINE = '{"event": "published", "event_type": "done", "batch_id": "b", "timestamp": "2025-11-15T18:59:43.007038Z"}'
TOLD = {"event": "published", "event_type": "done", "batch_id": "b", "timestamp": "2025-11-15T18:59:43.007038Z"}
NOTHING = None
LINES = {
    "json": (JSON_LINE, TOLD),
    "nested": ('{"extra": {"batch_id": "b", "n": 3}, "list": [1], "no": null}', {"extra.batch_id": "b", "extra.n": "3",
                                                                                 "list": "[1]", "no": None}),
    "docker": (json.dumps({"log": JSON_LINE + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}),
               {"stream": "stdout", "log_time": "2026-01-01T00:00:00Z", **TOLD}),
    "fluent bit": (json.dumps({"message": JSON_LINE, "kubernetes": {"pod": "p"}}), {"kubernetes.pod": "p", **TOLD}),
    "container runtime": ("2026-01-01T00:00:00.123456789Z stdout F " + JSON_LINE,
                          {"log_time": "2026-01-01T00:00:00.123456789Z", "stream": "stdout", **TOLD}),
    "a message that is JSON, and meant": (json.dumps({"message": JSON_LINE}), {"message": JSON_LINE}),
    "logfmt": ('level=info msg="it \\"is\\" done" batch_id=b empty= path=/a/b?c=d',
               {"level": "info", "msg": 'it "is" done', "batch_id": "b", "empty": "", "path": "/a/b?c=d"}),
    "console": ("\x1b[2m2025-11-15T18:59:43.007038Z\x1b[0m [\x1b[32minfo     \x1b[0m] published  [cj] \x1b[36mbatch_id\x1b[0m=b "
                "event_type='done or not'",
                {"log_time": "2025-11-15T18:59:43.007038Z", "batch_id": "b", "event_type": "done or not"}),
    "python": ("2025-11-15 18:59:43,007 INFO cj: published (batch_id=b, n=1)",
               {"log_time": "2025-11-15 18:59:43.007", "batch_id": "b", "n": "1)"}),
    "words": ("Traceback (most recent call last):", NOTHING),
    "half a line of JSON": (JSON_LINE[:40], NOTHING),
    "an address": ("GET http://host/path?a=b&c=d", NOTHING),
    "not text": ("\\xff\\xfe", NOTHING),
}  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in LINES if kind != "python"])
def test_a_line_says_what_it_says_whatever_is_around_it(kind):
    line, told = LINES[kind]
    assert fields_of(line) == told


def test_lines_that_say_nothing_are_counted_aloud_and_many_kinds_may_be_mixed(tmp_path):
    path = tmp_path / "app.log"
    path.write_bytes("\n".join(line for line, _ in LINES.values()).encode() + b"\n\xff\xfe\n\n")
    report = audit(str(path), columns={"type": "event_type"})
    assert report.odd["lines without a field (no JSON, no name=value)"] == 5
    assert report.columns["aggregate"] == "batch_id"
    assert {one.key["type"]: one.events for one in report.findings} == {"done": 4}


def test_a_line_that_the_runtime_cut_is_put_together(tmp_path):
    line, half = JSON_LINE, len(JSON_LINE) // 2
    docker = [
        {"log": line[:half], "stream": "stdout", "time": "t"},
        {"log": line[half:] + "\n", "stream": "stdout", "time": "t"},
    ]
    cri = [f"2026-01-01T00:00:00Z stdout P {line[:half]}", f"2026-01-01T00:00:00Z stdout F {line[half:]}"]
    for name, lines in (("docker.jsonl", map(json.dumps, docker)), ("cri.log", cri)):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        report = audit(str(tmp_path / name))
        assert (report.totals["events"], report.odd) == (1, {}), name


def test_an_export_of_json_lines_stays_an_export_and_a_log_is_told_by_its_lines(tmp_path):
    row = json.dumps({"aggregate_id": "a", "event_type": "done", "payload": {"batch_id": "other"}})
    plain, mixed, nested = (tmp_path / f"{name}.jsonl" for name in ("plain", "mixed", "nested"))
    plain.write_text(f"{row}\n{row}\n", encoding="utf-8")
    assert audit(str(plain)).columns["payload"] == "payload"
    mixed.write_text(f"{row}\nstarting up\n{row}\n", encoding="utf-8")
    assert audit(str(mixed)).odd == {"lines without a field (no JSON, no name=value)": 1, "without aggregate": 1,
                                     "without a readable time": 2}  # fmt: skip
    nested.write_text('{"event_type": "done", "data": {"entity_id": "e"}}\n' * 2, encoding="utf-8")
    assert audit(str(nested)).columns["aggregate"] == "data.entity_id"
    assert audit(f"log:{plain}").columns["payload"] == "log_line"


def test_several_files_and_compressed_ones(tmp_path):
    (tmp_path / "a.log").write_text(JSON_LINE + "\n", encoding="utf-8")
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(f"{JSON_LINE}\n".encode() * 2))
    assert audit(f"log:{tmp_path}/a.log*").totals["events"] == 3
    assert audit(f"{tmp_path}/a.log.1.gz").totals["events"] == 2
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(JSON_LINE.encode() * 100)[:-20])
    with pytest.raises(BadRequest, match=r"cut\.log\.gz cannot be read"):
        audit(f"{tmp_path}/cut.log.gz")
    with pytest.raises(BadRequest, match="no file of log lines"):
        audit(f"{tmp_path}/none.log")


def test_a_log_that_is_still_written_to_is_read_to_where_it_was(tmp_path):
    from pairmark.audit.sources.logs import LogFiles  # noqa: PLC0415

    path = tmp_path / "app.log"
    path.write_text(JSON_LINE + "\n", encoding="utf-8")
    source = LogFiles.at(str(path))
    with path.open("a", encoding="utf-8") as file:
        file.write("batch_id=late new_field=1\n")
    assert "new_field" not in source.columns()
