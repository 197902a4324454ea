"""Comparative judgement as arithmetic: arrays in, frozen results out. Knows nothing of batches, services or files.

The names below are the public ones; all load on first use. `comparisons` or `from_columns` check decisions, `fit` estimates
scores from them, and the `Fit` it returns answers everything else, by itself or through the functions here.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairmark.stats.agreement import agreement, agreement_within
    from pairmark.stats.anchors import Grading, grading
    from pairmark.stats.assignment import assign, unseen_by_all
    from pairmark.stats.bradley_terry import fit
    from pairmark.stats.comparisons import Comparisons, comparisons
    from pairmark.stats.designs import Design, Need, need
    from pairmark.stats.errors import (
        BadComparisonsError,
        NoFiniteEstimateError,
        NotConvergedError,
        StatsError,
        UnconnectedError,
    )
    from pairmark.stats.fitted import Estimated, Fit
    from pairmark.stats.frames import from_columns
    from pairmark.stats.judges import JudgeSummary, judge_summary
    from pairmark.stats.length import decisions_by_length, longer_wins, partial_rank_correlation, rank_correlation
    from pairmark.stats.linking import Linked, link
    from pairmark.stats.misfit import Misfit, essay_misfit, judge_misfit
    from pairmark.stats.next_pairs import NextPairs, next_pairs
    from pairmark.stats.reliability import Reliability, empirical_bayes, looks_adaptive, ssr, ssr_observed
    from pairmark.stats.rules import RULES, rule
    from pairmark.stats.screening import Screening, screen
    from pairmark.stats.seats import Seats, first_wins, flips, seats
    from pairmark.stats.sessions import run, simulated_judges
    from pairmark.stats.shares import Share
    from pairmark.stats.simulation import simulate, true_scores
    from pairmark.stats.split_half import SplitHalf, split_half
    from pairmark.stats.stretch import Stretch, stretch
    from pairmark.stats.surprises import Surprises, surprises
    from pairmark.stats.threads import one_blas_thread

__all__ = [
    "RULES", "BadComparisonsError", "Comparisons", "Design", "Estimated", "Fit", "Grading", "JudgeSummary", "Linked",
    "Misfit", "Need", "NextPairs", "NoFiniteEstimateError", "NotConvergedError", "Reliability", "Screening", "Seats",
    "Share", "SplitHalf", "StatsError", "Stretch", "Surprises", "UnconnectedError", "agreement", "agreement_within",
    "assign", "comparisons", "decisions_by_length", "empirical_bayes", "essay_misfit", "first_wins", "fit", "flips",
    "from_columns", "grading", "judge_misfit", "judge_summary", "link", "longer_wins", "looks_adaptive", "need",
    "next_pairs", "one_blas_thread", "partial_rank_correlation", "rank_correlation", "rule", "run", "screen", "seats",
    "simulate", "simulated_judges", "split_half", "ssr", "ssr_observed", "stretch", "surprises", "true_scores",
    "unseen_by_all",
]  # fmt: skip

_MODULES = {
    "agreement": ("agreement", "agreement_within"),
    "anchors": ("Grading", "grading"),
    "assignment": ("assign", "unseen_by_all"),
    "bradley_terry": ("fit",),
    "comparisons": ("Comparisons", "comparisons"),
    "designs": ("Design", "Need", "need"),
    "errors": ("BadComparisonsError", "NoFiniteEstimateError", "NotConvergedError", "StatsError", "UnconnectedError"),
    "fitted": ("Estimated", "Fit"),
    "frames": ("from_columns",),
    "judges": ("JudgeSummary", "judge_summary"),
    "length": ("decisions_by_length", "longer_wins", "partial_rank_correlation", "rank_correlation"),
    "linking": ("Linked", "link"),
    "misfit": ("Misfit", "essay_misfit", "judge_misfit"),
    "next_pairs": ("NextPairs", "next_pairs"),
    "reliability": ("Reliability", "empirical_bayes", "looks_adaptive", "ssr", "ssr_observed"),
    "rules": ("RULES", "rule"),
    "screening": ("Screening", "screen"),
    "seats": ("Seats", "first_wins", "flips", "seats"),
    "sessions": ("run", "simulated_judges"),
    "shares": ("Share",),
    "simulation": ("simulate", "true_scores"),
    "split_half": ("SplitHalf", "split_half"),
    "stretch": ("Stretch", "stretch"),
    "surprises": ("Surprises", "surprises"),
    "threads": ("one_blas_thread",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Door(ModuleType):
    """Keeps public functions in front of the modules of the same name, which Python would put there on import."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
