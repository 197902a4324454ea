"""The page as text: escaped, self-contained, complete without JavaScript, readable in both colour schemes."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from pairmark.domain.length import LengthDependence
from pairmark.domain.result import AssessmentResult
from pairmark.report.html import content_security_policy, json_in_script, render_html
from support import report_samples as samples

REPORT = files("pairmark.report")


class Page(HTMLParser):
    """Tags with attributes, visible text, and the content of each script."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        self._inside = tag if tag in {"script", "style"} else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_hostile_names_stay_text() -> None:
    result = samples.hostile()
    page = Page(render_html(result))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert len(page.scripts) == 5
    assert "<img src=x onerror=\"document.title='owned'\">" in page.text
    assert "{{ 7 * 7 }} ${7*7}" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_data_in_a_script_cannot_leave_it() -> None:
    value = {"id": "</script><!--<script>&\u2028", "n": 1.5}
    text = json_in_script(value)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "result", [samples.ranked(), samples.hostile(), samples.failed(), samples.single(), samples.ranked(2)]
)
def test_the_page_asks_nothing_of_the_network(result: AssessmentResult) -> None:
    page = Page(render_html(result))
    for _, attributes in page.tags:
        assert not attributes.get("src")
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]


def test_the_policy_names_every_script_by_its_hash() -> None:
    page = Page(render_html(samples.ranked()))
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    _, *code = page.scripts
    assert policy == content_security_policy(code)
    assert len(set(re.findall(r"'sha256-[A-Za-z0-9+/=]+'", policy or ""))) == 4


def test_tables_hold_every_number_of_the_charts() -> None:
    result = samples.ranked()
    text = Page(render_html(result)).text.replace("\u2212", "-")
    for essay in result.essays:
        numbers = f"{essay.theta:.2f} {essay.ci_low:.2f} to {essay.ci_high:.2f} {essay.standard_error:.2f}"
        assert f"{essay.rank} {essay.essay_id} {numbers}" in text
    for wave in result.convergence[1:]:
        assert f"{wave.wave} {wave.comparisons:,} {wave.reliability:.3f} {wave.largest_change:.3f}" in text
    for judge in result.judges:
        assert f"{judge.judge} {judge.comparisons} {100 * judge.first_seat_share:.0f} % {judge.ties} 21.5 s" in text


def test_sections_come_in_the_order_of_use() -> None:
    page = Page(render_html(samples.ranked()))
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section" and "id" in attributes]
    assert sections == [
        "reliability",
        "scale",
        "judges",
        "convergence",
        "coverage",
        "identical",
        "agreement",
        "services",
        "provenance",
    ]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a" and "href" in attributes]
    assert {link for link in links if link} == {f"#{section}" for section in sections}


def test_the_page_tells_what_the_services_believe() -> None:
    text = Page(render_html(samples.ranked())).text
    for part in (
        "0 duplicates, 0 lost, 0 charged twice",
        "Lifecycle CJ_ASSESSMENT_COMPLETE; 35 SCORED",
        "Results 35 rows, published 2026-11-23T10:15:04Z",
        "Entitlements account local, without limit",
        "Reserved 490 Charged 350 Released 140 Balance -350",
        "huleedu.llm_provider.comparison_result.v1 350",
        "arg61750-3 = arg19494-6",
        "Spearman 0.92 with the column published_rank_score",
        "input digest 9f2c4be1",
    ):
        assert part in text, part


def test_only_the_baseline_carries_its_label() -> None:
    label = "surface baseline: counts words, never grades"
    assert label in Page(render_html(replace(samples.ranked(), baseline=True))).text
    assert label not in Page(render_html(samples.ranked())).text


@pytest.mark.parametrize("result", [samples.failed(), samples.cancelled()])
def test_a_batch_without_scores_has_a_clear_page_without_scripts(result: AssessmentResult) -> None:
    page = Page(render_html(result))
    assert page.scripts == []
    assert "No essay was ranked." in page.text
    assert "Nothing was charged. Run the same command again" in page.text
    assert (result.error or "Cancelled: somebody cancelled it.") in page.text
    assert "None" not in page.text


def test_one_essay_has_a_page_without_charts() -> None:
    page = Page(render_html(samples.single()))
    assert page.scripts == []
    assert "only-one" in page.text
    assert not re.search(r"\b(inf|nan|None)\b", page.text)


def test_an_empty_self_check_is_not_called_clean() -> None:
    text = Page(render_html(replace(samples.ranked(), self_check={}))).text
    assert "The self-check was not run." in text
    assert "passed" not in text


def test_vendored_scripts_are_those_recorded_and_may_stand_in_a_page() -> None:
    folder = REPORT / "vendor"
    record = json.loads((folder / "VENDOR.json").read_text())
    assert [entry["name"] for entry in record["files"]] == ["vega", "vega-lite", "vega-embed"]
    for entry in record["files"]:
        content = (folder / entry["file"]).read_bytes()
        assert sha256(content).hexdigest() == entry["sha256"]
        assert not re.search(rb"</script|<!--|sourceMappingURL|\r", content)
        assert "Redistribution and use" in (folder / f"LICENSE.{entry['name']}.txt").read_text()


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
    channels = (int(full[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio of two colours."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_reach_wcag_aa(scheme: int) -> None:
    css = (REPORT / "templates" / "report.css").read_text()
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]))
    for text, grounds in {
        "ink": ("ground", "paper", "stripe"),
        "soft": ("ground", "paper", "stripe"),
        "link": ("ground", "paper"),
        "good": ("good-bg", "paper"),
        "fair": ("fair-bg",),
        "weak": ("weak-bg", "paper"),
        "none": ("none-bg",),
    }.items():
        for ground in grounds:
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    for mark in ("point", "interval", "reference"):
        assert contrast(colour[mark], colour["paper"]) >= 3, mark


def test_length_is_shown_where_it_is_known() -> None:
    result = samples.ranked()
    known = replace(result, length=LengthDependence(35, 0.54, 0.22, 0.75))
    page = render_html(known)
    assert "rank correlation 0.54 (95 % interval 0.22 to 0.75, 35 essays)" in Page(page).text
    assert 'id="chart-length"' in page
    assert 'id="chart-length"' not in render_html(result)
