"""The road of `pairmark score`: read judgements, fit, grade, link, hold against length, put together, write.

Each step is a module beside this one; statistics are in `stats`, sentences in `report`.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

import pairmark
from pairmark.domain.scored import Misfit, ScoredEssay, ScoreResult, SplitHalf
from pairmark.errors import BadRequest
from pairmark.reading.judgements import Columns, Judgements, read_judgements
from pairmark.scoring import grading, judges, length, linking, misfit
from pairmark.scoring.convergence import course
from pairmark.stats.bradley_terry import fit
from pairmark.stats.comparisons import Comparisons, comparisons
from pairmark.stats.errors import StatsError, UnconnectedError
from pairmark.stats.fitted import Fit
from pairmark.stats.reliability import all_figures
from pairmark.stats.split_half import split_half
from pairmark.stats.spread import FULL_UP_TO
from pairmark.stats.threads import one_blas_thread

Compatible = Literal["sirt"]
MOST_ESSAYS = 20_000
TIE = 0.5
SPLITS, SPLIT_CELLS = 100, 40_000_000
"""Split halves, and the most judgements times halves, which take some seconds."""


@dataclass(frozen=True)
class Options:
    """What may be chosen; the command line has an option for each."""

    name: str = ""
    columns: Columns = field(default_factory=Columns)
    where: Sequence[tuple[str, str]] = ()
    anchors: Path | None = None
    scale: str | None = None
    method: Literal["map", "ml"] = "map"
    compatible: Compatible | None = None
    order_effect: bool = False
    target_reliability: float | None = None
    texts: Path | None = None
    id_column: str | None = None
    text_column: str | None = None
    compare: str | None = None
    smaller_is_better: bool = False
    link: Path | None = None


def score(path: str | Path, *, out: str | Path | None = None, options: Options | None = None) -> ScoreResult:
    """Fit the judgements in the CSV at `path` and return the result; with `out`, write the report there.

    Raises `BadRequest` for input that cannot be used, with one sentence that names the file, the row and the remedy.
    """
    chosen = options or Options()
    _check(chosen)
    if out is not None:
        from pairmark.report.scored.write import check_writable, write_report  # noqa: PLC0415 - only with `out`

        check_writable(Path(out))
    with one_blas_thread():
        result = _result(Path(path), chosen)
    if out is not None:
        write_report(result, Path(out))
    return result


def _check(options: Options) -> None:
    if (options.anchors is None) != (options.scale is None):
        missing, given = ("--scale", "are anchors") if options.scale is None else ("--anchors", "is a scale")
        raise BadRequest(f"There {given} but no {missing[2:]}.", remedy=f"Give {missing} too.")
    if options.compatible is not None and options.compatible not in get_args(Compatible):
        raise BadRequest(f"There is no mode compatible with {options.compatible!r}.", remedy="Give sirt.")
    if options.method not in ("map", "ml"):
        raise BadRequest(f"There is no method {options.method!r}.", remedy="Give map or ml.")
    if options.method == "ml" and (options.compatible or options.link):
        raise BadRequest(
            "Maximum likelihood goes neither with --compatible, which has a method of its own, nor with --link.",
            remedy="Leave out --method, or the others.",
        )
    _check_texts(options)
    if options.compatible and (options.anchors or options.link or options.order_effect):
        raise BadRequest(
            "The sirt-compatible mode only reproduces published scores; it has no grades, no links and no order effect.",
            remedy="Leave out --compatible, or the others.",
        )
    target = options.target_reliability
    if target is not None and not 0 < target < 1:
        raise BadRequest(
            f"A target reliability of {target} cannot be reached.", remedy="Give a number between 0 and 1."
        )


def _check_texts(options: Options) -> None:
    """Options about texts mean nothing without what they are about."""
    columns = {"--compare": options.compare, "--id-column": options.id_column, "--text-column": options.text_column}
    given = next((name for name, value in columns.items() if value is not None), None)
    if given is not None and options.texts is None:
        raise BadRequest(f"{given} names a column of the texts, but there are no texts.", remedy="Give --texts too.")
    if options.smaller_is_better and options.compare is None:
        raise BadRequest("--smaller-is-better says nothing without --compare.", remedy="Give --compare too.")


def _result(path: Path, options: Options) -> ScoreResult:
    judged = read_judgements(path, columns=options.columns, where=options.where)
    scale = grading.read(options.anchors, options.scale)
    baseline = _baseline(judged, graded=scale is not None)
    data, fitted = _fitted(judged, options)
    known = _known(options)
    fits = misfit.essays(fitted)
    essays, link, linked, link_notes = linking.apply(_essays(fitted, known.words, fits), fitted, options.link)
    essays, grades, notes = grading.apply(essays, scale, fitted, linked)
    work, judge_notes = judges.work(fitted, data)
    figures, more = all_figures(fitted), [*judge_notes, *link_notes, *notes]
    return ScoreResult(
        name=options.name or path.stem,
        source={"file": path.name, "form": judged.form, "sha256": judged.digest, "where": dict(options.where)},
        method=fitted.method,
        essays=sorted(essays, key=lambda essay: (essay.rank, essay.essay_id)),
        reliability={"value": figures.headline, "method": "empirical-bayes", "target": options.target_reliability},
        ssr=figures.ssr,
        ssr_observed=figures.ssr_observed,
        comparisons=len(data),
        comparisons_per_essay=2 * len(data) / len(data.items),
        ties=int(np.sum(data.outcome == TIE)),
        order_effect=fitted.order_effect,
        order_effect_se=fitted.order_effect_se,
        judges=work,
        provenance=_provenance(fitted),
        grades=grades,
        length=length.dependence(known, data, fitted.theta),
        link=link,
        warnings=[*judged.notes, *_warnings(fitted, data, figures.warning), *known.notes(data.items), *more],
        baseline=baseline,
        split_half=_split_half(fitted),
        convergence=course(judged, data, fitted, order_effect=options.order_effect),
        odd=misfit.odd_comparisons(fitted, fits),
    )


def _known(options: Options) -> length.Known:
    return length.read(
        options.texts, options.compare, options.smaller_is_better, options.id_column, options.text_column
    )


def _baseline(judged: Judgements, *, graded: bool) -> bool:
    """Whether the surface baseline is among the judges; refuses to grade then."""
    baseline = any(judge == judges.SURFACE for judge in judged.judges)
    if baseline and graded:
        raise BadRequest(
            f"{judged.path} holds judgements of the surface baseline, which counts words and reads nothing; it never grades.",
            remedy="Leave out --anchors, or the baseline's judgements.",
        )
    return baseline


def _fitted(judged: Judgements, options: Options) -> tuple[Comparisons, Fit]:
    items = sorted(judged.items)
    if len(items) > MOST_ESSAYS:
        raise BadRequest(
            f"{judged.path} names {len(items):,} texts; at most {MOST_ESSAYS:,} are scored at once.", remedy="Split it."
        )
    place = np.argsort(sorted(range(len(items)), key=judged.items.__getitem__))
    if options.order_effect and not judged.seats:
        raise BadRequest(
            f"{judged.path} does not say which text was shown first, so no order effect can be estimated.",
            remedy="Leave out --order-effect, or give a file with left, right and vote.",
        )
    names, judge = judges.columns(judged)
    try:
        data = comparisons(
            (place[judged.first], place[judged.second], judged.outcome),
            items=items, weights=judged.weight, seats=judged.seats,
        )  # fmt: skip
        data = replace(data, judges=names, judge=judge, seconds=judged.seconds)
        if options.compatible == "sirt":
            decided = data.only(data.outcome != TIE)  # as its `ignore.ties=TRUE`; a tie is no half win there
            return data, fit(decided, method="sirt")
        return data, fit(data, method=options.method, order_effect=options.order_effect)
    except UnconnectedError as error:
        hint = "If the file holds several sessions, score them one by one with --where COLUMN=VALUE."
        raise BadRequest(f"{judged.path}: {error}", remedy=hint) from error
    except StatsError as error:
        asked = "--compatible" if options.compatible else "--method" if options.method != "map" else None
        remedy = f"Leave out {asked}." if asked else "Check the judgements."
        raise BadRequest(f"{judged.path} cannot be scored: {error}", remedy=remedy) from error


def _essays(fitted: Fit, words: dict[str, int], fits: dict[str, Misfit]) -> list[ScoredEssay]:
    low, high = fitted.interval()
    best, worst = fitted.rank_interval() if len(fitted.items) <= FULL_UP_TO else (None, None)
    ranks, appearances, wins = fitted.ranks(), fitted.appearances, fitted.wins
    return [
        ScoredEssay(
            essay_id=item,
            rank=int(ranks[index]),
            theta=float(fitted.theta[index]),
            standard_error=float(fitted.standard_error[index]),
            ci_low=float(low[index]),
            ci_high=float(high[index]),
            comparisons=float(appearances[index]),
            wins=float(wins[index]),
            words=words.get(item),
            rank_low=None if best is None else int(best[index]),
            rank_high=None if worst is None else int(worst[index]),
            misfit=fits.get(item),
        )
        for index, item in enumerate(fitted.items)
    ]


def _split_half(fitted: Fit) -> SplitHalf | None:
    """Over judges where two or more are known, else over comparisons; None for another method or too much to do."""
    data = fitted.comparisons
    too_much = 2 * SPLITS * len(data) > SPLIT_CELLS or len(data.items) > FULL_UP_TO
    if fitted.method != "map" or too_much or len(data) < 2:
        return None
    halves = split_half(fitted, "judges" if len(data.judges) > 1 else "comparisons", SPLITS)
    return SplitHalf(halves.over, halves.median, halves.low, halves.high, SPLITS)


def _warnings(fitted: Fit, judged: Comparisons, adaptive: str) -> list[str]:
    data, warnings = fitted.comparisons, []
    left_out = len(judged) - len(data)
    extreme = [*data.all_won(), *data.all_lost()]
    if extreme:
        named = ", ".join(extreme[:5]) + (f" and {len(extreme) - 5} more" if len(extreme) > 5 else "")
        rests = "the prior as well" if fitted.method == "map" else "the correction that sirt makes"
        warnings.append(f"Won or lost every comparison, so the score rests on {rests}: {named}.")
    if fitted.method == "sirt":
        warnings.append(
            "Scores and errors are those that sirt publishes; its errors treat each essay on its own and are too small "
            "where pairs form chains."
        )
    if left_out:
        warnings.append(
            f"Ties left out of the scores, as with ignore.ties=TRUE in sirt: {left_out:,}. Without --compatible they count."
        )
    return [*warnings, adaptive] if adaptive else warnings


def _provenance(fitted: Fit) -> dict[str, Any]:
    import scipy  # noqa: PLC0415 - slow to import

    return {
        "pairmark": pairmark.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "method": fitted.method,
        "prior_sd": fitted.prior_sd,
        "tie_parameter": fitted.tie_parameter,
        "log_likelihood": fitted.log_likelihood,
    }
