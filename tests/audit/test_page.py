"""The report as a page: complete as text, nothing of it from outside, and in a browser the charts are drawn."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pairmark.audit import audit
from pairmark.audit.charts import LEVELS, strip, unit
from pairmark.audit.definitions import DEFINITIONS
from pairmark.audit.page import render_html
from support.browser import load
from support.command import Pairmark
from support.incident import PATH, WORST

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">\x1b[2J\u202e{{ 7 * 7 }}"


class Page(HTMLParser):
    """Tags with their attributes, and all that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.specs = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.inside = tag + (dict(attrs).get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag in {"script", "style"} else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside == "scriptspecs":
            self.specs += data
        elif not self.inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_says_all_that_the_report_knows():
    report = audit(str(PATH))
    text = Page(render_html(report)).text
    for words in (
        *DEFINITIONS.values(), "79.0 %", "critical 50 1", WORST, "83 events, 82 in excess in 5.99 s (critical)",
        "min 54.4 ms , median 66.9 ms , mean 73.1 ms , max 169 ms", "tight_burst (likely)", "regular:", "Likely trigger",
        "a level-triggered drain", "--triggers SOURCE", "same but for technical fields",
        "each its own; correlation ids: all the same",
        "83 of 83", "2025-11-15T18:59:43.113038+00:00 106 ms", *report.next_steps,
    ):  # fmt: skip
        assert words.replace(" ,", ",") in text.replace(" ,", ","), words
    places = [text.index(one) for one in ("What is counted", "Severity", "in time", f"1. {WORST}", "What to do next")]
    assert places == sorted(places)


def test_charts_hold_the_numbers_of_the_tables():
    report = audit(str(PATH))
    specs = json.loads(Page(render_html(report)).specs)
    assert set(specs) == {"overview", "finding-1", "finding-2"}
    assert len(specs["overview"]["data"]["values"]) == 83 + 13
    drawn = specs["finding-1"]["data"]["values"]
    assert [round(one["interval"]) for one in drawn[:3]] == [106, 169, 82]
    assert drawn[-1]["after"] == pytest.approx(5.994797)


def test_what_could_not_be_seen_is_said():
    assert f"Not seen {HOSTILE[:20]}" in Page(render_html(replace(audit(str(PATH)), limits=[HOSTILE]))).text


@pytest.mark.parametrize("times", [3, 0])
def test_text_from_outside_stays_text(tmp_path, times):
    rows = [{"aggregate_id": HOSTILE, "event_type": HOSTILE, "payload": {HOSTILE: n}, "colour": 1} for n in range(4)]
    rows = [row | ({"created_at": f"2025-11-15 10:0{n}:00"} if times else {}) for n, row in enumerate(rows)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    html = render_html(audit(str(tmp_path / "x.jsonl"), types=["*"]))
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert "<img src=x onerror" in page.text
    assert "\x1b" not in html
    assert "\u202e" not in html
    linked = [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert [value for value in linked if not (value or "").startswith("#")] == []


def test_a_browser_draws_it_and_runs_nothing_else(chromium: str, tmp_path):
    rows = [{"aggregate_id": HOSTILE, "event_type": HOSTILE, "created_at": f"2025-11-15 10:0{n}:00"} for n in range(4)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for source, names in (
        (str(PATH), ["overview", "finding-1", "finding-2"]),
        (str(tmp_path / "x.jsonl"), ["overview", "finding-1"]),
    ):
        (tmp_path / "r.html").write_text(render_html(audit(source)), encoding="utf-8")
        loaded = load(chromium, tmp_path / "r.html", tmp_path / "profile")
        assert loaded.console == []
        assert loaded.charts() == names
        assert loaded.title() != "owned"
        assert "img" not in loaded.tags()


@pytest.mark.parametrize(
    ("words", "sentence"), [(["--unique-on", "id"], "Clean"), (["--type", "x"], "Could not be determined")]
)
def test_a_page_is_written_without_findings_too(tmp_path, words, sentence):
    Pairmark(tmp_path).run("audit", str(PATH), *words, "--html", tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert sentence in page.text
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_a_line_of_blocks_shows_where_events_are():
    worst, second = audit(str(PATH)).findings
    assert " " in strip(second)
    assert len(strip(worst)) == len(strip(second)) == 48
    assert set(strip(worst)) <= {" ", *LEVELS}
    assert strip(second)[0] != " "
    assert strip(second)[-1] != " "


@pytest.mark.parametrize(
    ("longest", "name"), [(0.0, "ms"), (0.169, "ms"), (5.99, "s"), (400, "min"), (90_000, "h"), (5e5, "d")]
)
def test_axes_have_a_unit_that_fits(longest, name):
    assert unit(longest)[1] == name
