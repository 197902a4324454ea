"""The page: one file that shows the whole result, asks nothing of the network, and holds without JavaScript.

Sections and their order stand in the template, sentences in `words`, charts in `charts`. Only the scripts placed
here may run: the page's content security policy names each by its hash.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pairmark.domain.result import AssessmentResult
from pairmark.report import charts, convergence_charts, figures, judge_charts, judge_words, quality_charts, words

VENDORED = ("vega", "vega-lite", "vega-embed")


def render_html(result: AssessmentResult) -> str:
    """The result as one self-contained HTML page."""
    counts = [essay.comparisons for essay in result.essays]
    specs = {
        "dial": quality_charts.reliability_dial(result.reliability.get("value"), result.reliability.get("target")),
        "caterpillar": charts.caterpillar(result),
        "reliability": convergence_charts.reliability(result.convergence, result.reliability.get("target")),
        "change": convergence_charts.change(result.convergence),
        "degrees": quality_charts.degree_histogram(counts),
        "length": charts.scores_by_length(result.essays) if result.length else None,
        "humans": judge_charts.with_people(result.humans) if result.humans else None,
    }
    essays = sorted(result.essays, key=lambda essay: essay.rank)
    bars = quality_charts.bars(counts)
    shown = {"result": result, "essays": essays, "words": words, "said": judge_words, "bars": bars,
             "people_rows": judge_charts.people_rows(result.humans) if result.humans else []}  # fmt: skip
    return render_page("report.html.j2", specs, **shown)


def render_page(template: str, specs: Mapping[str, charts.Spec | None], **shown: Any) -> str:
    """A template of this folder with its charts (None: left out) and whatever it shows."""
    drawn = {name: spec for name, spec in specs.items() if spec is not None}
    scripts = [*_vendored_scripts(), _read("templates", "draw.js")] if drawn else []
    return (
        _environment()
        .get_template(template)
        .render(
            **shown,
            charts=drawn,
            specs=json_in_script(drawn),
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own files, never input
            styles=Markup(_read("templates", "report.css")),  # noqa: S704 - our own file
            policy=content_security_policy(scripts),
            licences=_licences() if drawn else "",
        )
    )


def json_in_script(value: Any) -> Markup:
    """JSON that may stand in a script element whatever strings it holds: no `<`, `>`, `&` or line separator in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII, so U+2028 is escaped as well
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def content_security_policy(scripts: list[str]) -> str:
    """Nothing may be loaded, and only these scripts may run; styles are free because the charts set them."""
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    allowed = f"script-src {hashes}" if hashes else "script-src 'none'"
    return (
        f"default-src 'none'; {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pairmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=figures.typeset,
        percent=figures.percent,
        money=figures.money,
        tokens=figures.tokens,
        plain=figures.plain,
        count=figures.count,
        visible=lambda text: figures.visible(str(text)),
    )
    environment.globals.update(MISSING=figures.MISSING)
    return environment


@cache
def _vendored_scripts() -> tuple[str, ...]:
    return tuple(_read("vendor", f"{name}.min.js") for name in VENDORED)


@cache
def _licences() -> str:
    return "\n\n".join(_read("vendor", f"LICENSE.{name}.txt") for name in VENDORED)


def _read(folder: str, name: str) -> str:
    return (files("pairmark.report") / folder / name).read_text(encoding="utf-8")
