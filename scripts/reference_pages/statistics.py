"""docs/reference/statistics.md: every public name of `pairmark.stats`, from its signature and docstring."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from types import FunctionType

import pairmark.stats

INTRODUCTION = """\
# Statistics in Python

Every public name of `pairmark.stats`, as its docstring tells it. The examples run in the tests; how they go together is in
[Statistics from Python](../howto/statistics-from-python.md), where the numbers come from in
[Statistics](../explanation/statistics.md).
"""

GROUPS = (
    ("Comparisons", ("comparisons", "from_columns", "Comparisons")),
    ("Scores", ("fit", "Fit", "Estimated", "one_blas_thread")),
    (
        "Reliability",
        ("Reliability", "empirical_bayes", "ssr", "ssr_observed", "looks_adaptive", "split_half", "SplitHalf"),
    ),
    ("Misfit", ("essay_misfit", "judge_misfit", "Misfit", "surprises", "Surprises")),
    (
        "Judges",
        (
            "judge_summary",
            "JudgeSummary",
            "seats",
            "Seats",
            "first_wins",
            "flips",
            "agreement",
            "agreement_within",
            "Share",
            "screen",
            "Screening",
        ),
    ),
    ("Length", ("rank_correlation", "partial_rank_correlation", "decisions_by_length", "longer_wins")),
    ("Grades and earlier scales", ("grading", "Grading", "stretch", "Stretch", "link", "Linked")),
    ("Next pairs", ("next_pairs", "NextPairs", "RULES", "rule", "assign", "unseen_by_all")),
    ("Planning and simulation", ("Design", "need", "Need", "simulate", "true_scores", "simulated_judges", "run")),
    (
        "Errors",
        ("StatsError", "BadComparisonsError", "UnconnectedError", "NoFiniteEstimateError", "NotConvergedError"),
    ),
)
OWN_WORDS = {"RULES": "The pairing rules by name: {names}. All take and give the same; see `rule`."}


def render() -> str:
    """The page."""
    parts = [INTRODUCTION]
    for title, names in GROUPS:
        parts += [f"## {title}\n", *(_entry(name) for name in names)]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str) -> str:
    thing = getattr(pairmark.stats, name)
    if name in OWN_WORDS:
        return f"### `{name}`\n\n{OWN_WORDS[name].format(names=', '.join(f'`{key}`' for key in thing))}\n"
    lines = [f"### `{name}`\n"]
    if inspect.isfunction(thing) or dataclasses.is_dataclass(thing):
        lines.append(f"```python\n{_signature(name, thing)}\n```\n")
    lines.append(_prose(inspect.getdoc(thing) or ""))
    if inspect.isclass(thing):
        lines += list(_members(thing))
    return "\n".join(lines)


def _signature(name: str, thing: object) -> str:
    """The call, with a parameter per line where it is long; types are left to the docstring."""
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    inner = str(inspect.Signature([p for p in parameters if p.name != "self"]))
    if len(name) + len(inner) <= 110:
        return name + inner
    return f"{name}(\n    " + ",\n    ".join(_split(inner[1:-1])) + ",\n)"


def _split(inner: str) -> list[str]:
    return re.split(r", (?![^()\[\]{}]*[)\]}])", inner)


def _prose(text: str) -> str:
    """A docstring as Markdown: NumPy's sections become bold words and lists, examples become code."""
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", text, flags=re.MULTILINE)
    out, section = [], ""
    for block in re.split(r"\n\n+", text.strip()):
        head = re.fullmatch(r"\*\*(.+)\*\*", block)
        if head:
            section = head[1]
            out.append("" if section == "Examples" else block)
        elif block.startswith(">>>"):
            out.append(f"```python\n{block}\n```")
        elif section in {"Parameters", "Raises", "Returns"} and re.search(r"^    \S", block, flags=re.MULTILINE):
            out.append("\n".join(_terms(block)))
        else:
            out.append(block)
    return "\n\n".join(part for part in out if part) + "\n"


def _terms(block: str) -> Iterator[str]:
    """Names and their indented meanings as a list."""
    for name, meaning in re.findall(r"^(\S.*)\n((?:    .*\n?)+)", block, flags=re.MULTILINE):
        terms = ", ".join(f"`{term}`" for term in name.split(", "))
        yield f"- {terms}: {' '.join(meaning.split())}"


def _members(kind: type) -> Iterator[str]:
    """Public methods and properties defined by a class, each with its first paragraph."""
    rows = []
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, FunctionType):
            rows.append(f"- `{_signature(name, member)}`: {_first(member)}".replace("\n    ", " ").replace(",\n)", ")"))
        elif isinstance(member, property) or hasattr(member, "func"):  # or a cached one
            rows.append(f"- `{name}`: {_first(member)}")
    if rows:
        yield "\n".join(rows) + "\n"


def _first(member: object) -> str:
    return " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split())
