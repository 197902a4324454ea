"""`pairmark audit` as people run it: what it prints, and how it ends."""

import json
import subprocess
import sys
from xml.etree import ElementTree

from pairmark.audit.definitions import DEFINITIONS
from support.command import ROOT, Pairmark
from support.incident import PATH, WORST


def run(folder, *words: str):
    return Pairmark(folder).run("audit", *words)


def test_findings_end_with_1_and_say_what_is_counted(tmp_path):
    done = run(tmp_path, str(PATH))
    assert done.code == 1
    flat = " ".join(done.out.split())
    for words in ("duplicates per aggregate 3.76", "duplicate share 79.0 %", "Facts were told more than once", WORST,
                  "83, 82 in excess in 5.99 s", "mean 73.1 ms", "tight_burst (likely)", "What to do next"):  # fmt: skip
        assert words in flat, words
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_document_and_carries_the_definitions(tmp_path):
    done = run(tmp_path, str(PATH), "--json")
    found = done.document()
    assert (done.code, found["totals"]["duplicates"]) == (1, 94)
    assert found["definitions"] == DEFINITIONS
    assert set(found["totals"]) <= set(DEFINITIONS)


def test_clean_ends_with_0_nothing_to_look_at_with_3_an_error_with_2(tmp_path):
    assert run(tmp_path, str(PATH), "--unique-on", "id").code == 0
    assert run(tmp_path, str(PATH), "--type", "nothing*").code == 3
    run(tmp_path, str(tmp_path / "no.csv")).refused("is not there", code=2)
    run(tmp_path, "postgresql://127.0.0.1:1/x").refused("cannot be reached", code=2)


def test_text_from_outside_cannot_steer_the_terminal(tmp_path):
    source = tmp_path / "x.jsonl"
    row = json.dumps({"aggregate_id": "\x1b[2Jgone", "event_type": "done\x07"})
    source.write_text(f"{row}\n{row}\n", encoding="utf-8")
    done = run(tmp_path, str(source))
    assert done.code == 1
    assert "\x1b[2J" not in done.out
    assert "\\x1b[2Jgone" in done.out


def test_the_example_is_where_the_docs_say():
    assert PATH == ROOT / "examples" / "incident" / "event_outbox.csv"


def test_audit_source_is_short_for_audit_run_source(tmp_path):
    short, long = run(tmp_path, str(PATH), "--json").document(), run(tmp_path, "run", str(PATH), "--json").document()
    assert short["totals"] == long["totals"]
    (tmp_path / "verify").write_text("x", encoding="utf-8")
    run(tmp_path, f"{tmp_path}/verify").refused("cannot be read", code=2)


def test_markdown_and_junit_are_written_beside(tmp_path):
    run(tmp_path, str(PATH), "--markdown", str(tmp_path / "report.md"), "--junit", str(tmp_path / "report.xml"))
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| duplicate share | 79.0 % |" in page
    assert f"## 1. {WORST}" in page
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    assert suite[0].get("name", "").startswith(WORST)
    for words, failures, errors in ((["--unique-on", "id"], "0", "0"), (["--type", "x"], "0", "1")):
        run(tmp_path, str(PATH), *words, "--junit", str(tmp_path / "report.xml"))
        suite = ElementTree.parse(tmp_path / "report.xml").getroot()
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", failures, errors)


def test_text_from_outside_is_escaped_in_every_form(tmp_path):
    row = json.dumps({"aggregate_id": "<b>\x01|`x`", "event_type": "do&ne\n"})
    (tmp_path / "x.jsonl").write_text(f"{row}\n{row}\n", encoding="utf-8")
    run(tmp_path, str(tmp_path / "x.jsonl"), "--markdown", str(tmp_path / "r.md"), "--junit", str(tmp_path / "r.xml"))
    assert "## 1. \\<b\\> \\|\\`x\\` do&ne" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert ElementTree.parse(tmp_path / "r.xml").getroot()[0].get("name") == "<b>?|`x` do&ne"


def test_a_constraint_is_tried_on_history(tmp_path):
    done = run(tmp_path, "simulate-constraint", str(PATH), "--json").document()
    assert (done["events"], done["refused"], done["facts_affected"], done["changed_facts"]) == (119, 94, 2, 0)
    rows = [json.dumps({"aggregate_id": "a", "event_type": "done", "payload": {"score": score}}) for score in (1, 2, 2)]
    (tmp_path / "x.jsonl").write_text("\n".join(rows), encoding="utf-8")
    done = run(tmp_path, "simulate-constraint", str(tmp_path / "x.jsonl"))
    assert done.code == 0
    assert "would have refused 2 of 3 events" in done.out
    assert "a done: 2 refused, different (score)" in done.out


def test_a_report_is_verified_against_its_source(tmp_path):
    recorded, source = tmp_path / "report.json", tmp_path / "events.csv"
    source.write_bytes(PATH.read_bytes())
    recorded.write_text(run(tmp_path, str(source), "--type", "huleedu.*", "--json").out, encoding="utf-8")
    assert run(tmp_path, "verify", str(recorded), str(source)).code == 0
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:-1]), encoding="utf-8")
    done = run(tmp_path, "verify", str(recorded), str(source))
    assert done.code == 1
    assert "events 119 → 118" in done.out
    assert "snapshot: 119-" in done.out
    source.write_text("".join([*lines[:-1], lines[-1].replace("2025-11-21", "2025-11-20")]), encoding="utf-8")
    assert "snapshot: 119-" in run(tmp_path, "verify", str(recorded), str(source)).out
    recorded.write_text("{}", encoding="utf-8")
    run(tmp_path, "verify", str(recorded), str(source)).refused("lacks 'filters'", code=2)


def test_an_audit_loads_no_logging_of_the_services(tmp_path):
    """It takes longer to load than all else that an audit of a small file does."""
    (tmp_path / "events.csv").write_text("aggregate_id,event_type\na,done\n", encoding="utf-8")
    program = (
        "import sys; from pairmark.cli.main import main; main(sys.argv[1:]); sys.stderr.write(' '.join(sys.modules))"
    )
    command = [sys.executable, "-c", program, "audit", "run", str(tmp_path / "events.csv")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()
    assert "duckdb" in loaded
    assert "structlog" not in loaded
