"""Pairmark: comparative judgement of essays, announced and charged exactly once in effect.

`assess` runs the whole road on real texts; `score` that on judgements from a file; `comparisons` and `fit` estimate
scores from decisions that exist already. All load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairmark.assessing import assess
    from pairmark.scoring import score
    from pairmark.stats.bradley_terry import fit
    from pairmark.stats.comparisons import comparisons

__all__ = ["assess", "comparisons", "fit", "score"]
__version__ = "0.1.0"

_HOMES = {
    "assess": "pairmark.assessing",
    "comparisons": "pairmark.stats.comparisons",
    "fit": "pairmark.stats.bradley_terry",
    "score": "pairmark.scoring",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pairmark' has no attribute {name!r}")
