"""`pairmark audit` as people run it: what it prints, and how it ends."""

import json

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
