"""Page, table, JSON and terminal of a scored session: complete, escaped, guarded, explained."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from pairmark.report.scored import quality, words
from pairmark.report.scored.html import render_html
from pairmark.report.scored.tables import judges_csv, results_csv, results_json
from pairmark.report.scored.terminal import print_summary
from pairmark.report.scored.write import JUDGES, NAMES, write_report
from support import score_samples as samples

ALL = [
    samples.scored(),
    samples.bare(),
    samples.graded(),
    samples.hostile(),
    samples.baseline(),
    samples.scored(2),
    samples.graded(200),
]


def terminal(result, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    print_summary(result, console)
    return console.file.getvalue()


@pytest.mark.parametrize("result", ALL)
def test_every_result_is_rendered_in_every_form(tmp_path, result):
    written = write_report(result, tmp_path)
    assert [path.name for path in written] == [*NAMES, *([JUDGES] if result.judges else [])]
    assert len(list(csv.reader(io.StringIO(results_csv(result).decode())))) == len(result.essays) + 1
    assert json.loads(results_json(result))["comparisons"] == result.comparisons
    assert "Fit for use" in terminal(result)


def test_boundaries_without_intervals_say_why():
    page = render_html(samples.without_size())
    assert "The judgements do not tell the size of the scale, so there are no intervals." in page
    assert "do not tell the size of the scale" not in render_html(samples.graded())
    assert "None" not in page.split("<script")[0]


@pytest.mark.parametrize("result", [samples.graded(), samples.scored(), samples.bare()])
def test_every_link_to_a_derivation_leads_to_it_and_nothing_else_is_derived(result):
    page = render_html(result)
    links, places = set(re.findall(r'href="#([\w-]+)"', page)), set(re.findall(r'id="([\w-]+)"', page))
    assert links <= places
    used = {link.removeprefix("why-") for link in links if link.startswith("why-")}
    assert used == {place.removeprefix("why-") for place in places if place.startswith("why-")}
    assert used == set(words.derivations(result))


def test_every_chart_of_the_page_has_its_place_and_every_place_its_chart():
    page = render_html(samples.graded())
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', page, re.DOTALL)[1])
    misfit = {f"{who}{what}" for who in ("essay", "judge") for what in ("infit", "outfit")}
    shown = {"dial", "reliability", "change", "caterpillar", "degrees", "distribution", "length", *misfit}
    assert set(specs) == shown
    assert set(re.findall(r'id="chart-(\w+)"', page)) == set(specs)
    names = [layer["name"] for spec in specs.values() for layer in spec["layer"]]
    assert all(names)
    for spec in specs.values():
        layers = [layer["name"] for layer in spec["layer"]]
        assert len(set(layers)) == len(layers), "Vega refuses two layers of one name"


def test_without_grades_and_texts_the_page_does_not_speak_of_them():
    page = render_html(samples.scored())
    assert "chart-distribution" not in page
    assert 'id="anchors"' not in page
    assert "Look again" not in page
    bare = render_html(samples.bare())
    for gone in ("misfit", "judges", "convergence"):
        assert f'id="{gone}"' not in bare


def test_hostile_names_stay_text():
    page = render_html(samples.hostile())
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "<script>alert" not in page
    assert "\x1b" not in page
    shown = terminal(samples.hostile(), 160)
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown


def test_cells_are_guarded_against_formulas():
    text = results_csv(samples.hostile()).decode()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert '\'=HYPERLINK("http://evil.example","click")' in cells
    assert "P(=F())" in cells  # the name of a column: does not begin a formula
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_the_table_has_one_column_per_grade():
    header, first = list(csv.reader(io.StringIO(results_csv(samples.graded()).decode())))[:2]
    assert header[-4:] == ["P(F)", "P(E)", "P(C)", "P(A)"]
    assert dict(zip(header, first, strict=True))["anchor_grade"] == "A"
    assert "grade" not in results_csv(samples.scored()).decode().splitlines()[0]


@pytest.mark.parametrize(
    ("value", "level"), [(0.95, "good"), (0.8, "good"), (0.79999, "fair"), (0.7, "fair"), (0.3, "weak"), (None, "none")]
)
def test_the_verdict_follows_the_published_bars(value, level):
    result = replace(samples.scored(), reliability={"value": value, "method": "empirical-bayes", "target": None})
    assert words.fitness(result).level == level


def test_a_baseline_is_labelled_and_fit_for_nothing():
    result = samples.baseline()
    assert words.fitness(result).level == "none"
    assert words.BASELINE_LABEL in render_html(result)
    assert words.BASELINE_LABEL in terminal(result)


def test_the_order_effect_is_called_chance_when_it_may_be():
    clear = samples.scored()
    assert "which is more than chance leaves" in words.order_sentence(clear)
    assert "no more than chance leaves" in words.order_sentence(replace(clear, order_effect_se=0.2))
    assert "shown second" in words.order_sentence(replace(clear, order_effect=-0.2))
    assert words.order_sentence(replace(clear, order_effect=None)) == ""


def test_both_formulas_called_ssr_are_named():
    assert words.ssr_sentence(samples.scored()) == (
        "Other programs print SSR 0.83 (1 - 1/G², as sirt and No More Marking) or 0.85 (G²/(1 + G²))."
    )


def test_the_terminal_holds_one_screen():
    shown = terminal(replace(samples.graded(200), warnings=["one"] * 20))
    assert len(shown.splitlines()) <= 48
    assert "essay 1 " in shown
    assert "essay 200" in shown
    assert "essay 100" not in shown
    assert "and 14 more notes in the report" in shown


def test_a_narrow_terminal_goes_without_intervals_and_breaks_no_row():
    wide, narrow = terminal(samples.graded(), 100), terminal(samples.graded(), 60)
    heads = [next(line for line in shown.splitlines() if line.startswith("Rank")) for shown in (wide, narrow)]
    assert ["interval" in head for head in heads] == [True, False]
    assert [line.split()[:4] for line in narrow.splitlines() if "essay 1 " in line] == [["1", "essay", "1", "2.00"]]
    assert max(map(len, narrow.splitlines())) <= 60


def test_every_number_of_a_table_is_explained_in_a_sentence_beside_it():
    page = render_html(samples.graded()).replace("&nbsp;", "\u00a0")
    explained = set(re.findall(r"<dt>([^<]+)</dt><dd>", page.split('class="terms"', 1)[1]))
    parts = re.findall(r'<section id="(scale|misfit|judges)".*?</section>', page, re.DOTALL)
    assert parts == ["scale", "misfit", "judges"]
    for part in parts:
        section = re.search(rf'<section id="{part}".*?</section>', page, re.DOTALL)[0]
        columns = set(re.findall(r'<th scope="col" class="n">([^<]+)</th>', section))
        evident = {"Rank", "Judgements", "Words", "Chance", "Times"}
        assert columns - set(re.findall(r"<dt>([^<]+)</dt>", section)) <= evident
    assert "Expected" in explained


def test_judges_have_a_table_of_their_own_with_guarded_cells():
    result = samples.scored()
    judges = [replace(result.judges[0], judge="=1+1"), *result.judges[1:]]
    rows = list(csv.DictReader(io.StringIO(judges_csv(replace(result, judges=judges)).decode())))
    assert rows[0]["judge"] == "'=1+1"
    assert rows[0]["flip_rate"] == "0.25"
    assert rows[1]["finding"] == "random"
    assert rows[1]["outfit"] == "7.5"
    assert rows[1]["above"] == "true"
    assert rows[1]["agreement"] == ""


def test_the_table_of_essays_tells_ranks_and_misfit_and_the_json_all_of_it():
    result = samples.scored()
    first, last = (list(csv.DictReader(io.StringIO(results_csv(result).decode())))[end] for end in (0, -1))
    assert (first["rank_low"], first["rank_high"], first["outfit_high"], first["above"]) == ("1", "3", "1.6", "true")
    assert last["above"] == "false"
    document = json.loads(results_json(result))
    assert document["convergence"]["by"] == "file"
    assert document["odd"][0]["judges"] == ["anna", "b=c", "d", "e"]
    assert document["judges"][0]["misfit"]["infit_p"] == samples.MISFIT.infit_p
    assert document["split_half"]["median"] == 0.71


def test_what_is_said_about_people_is_careful():
    result = samples.scored()
    told = quality.screening_sentence(result)
    assert told.startswith("Of 2 judges, 1 looks unlike the others: 1 decide much like coin tosses.")
    assert "A reason to look, not a verdict." in told
    sound = replace(result, judges=result.judges[:1])
    assert "none decides so unlike" in quality.screening_sentence(sound)
    assert quality.screening_sentence(samples.bare()) == ""
    for word in ("bad", "wrong", "random judge", "cheat"):
        assert word not in told


def test_steps_without_waves_say_what_they_follow():
    assert "in the order of the file. If the file has another order" in quality.convergence_sentence(samples.course())
    assert quality.convergence_sentence(samples.course("time")).endswith("in the order of their times.")
    assert "names no waves" not in quality.convergence_sentence(samples.course("wave"))


def test_the_oddest_comparisons_name_their_judges_and_what_is_missing_is_a_dash():
    page = render_html(samples.scored())
    assert "anna, b=c, d and 1 more" in page
    assert "tied with" in page
    assert quality.band(None, 1.0) == quality.ranks(None, 3) == "\u2013"
    assert quality.ranks(3, 3) == "3"
    assert "1 of 30 essays lies above the band; chance alone may put up to 2 there." in page
