"""Scores from judgements collected elsewhere: from a CSV to a report, without a database.

The command line is a thin layer over `score`.
"""

from pairmark.scoring.road import Options, score

__all__ = ["Options", "score"]
