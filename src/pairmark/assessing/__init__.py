"""From a source of essays to a result: `assess` and its steps, and `rehearse`, which only tells what would be asked."""

from pairmark.assessing.choices import Choices
from pairmark.assessing.rehearsal import rehearse
from pairmark.assessing.road import assess, left_out, prepare, retry, revive, submit
from pairmark.watch import OnProgress, Progress, run

__all__ = [
    "Choices",
    "OnProgress",
    "Progress",
    "assess",
    "left_out",
    "prepare",
    "rehearse",
    "retry",
    "revive",
    "run",
    "submit",
]
