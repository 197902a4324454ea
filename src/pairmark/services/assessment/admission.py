"""Whether another request may be taken in: not while judges have more before them than gets done in good time.

A batch that is taken in has a deadline; a request that waits on its topic has none, and is kept there by whoever carries it. So
what a slow judge cannot do yet stays outside. Batches that are in go on: only requests wait.
"""

from collections.abc import Mapping

from pairmark.config import MOST_OPEN_QUESTIONS
from pairmark.events.catalogue import AssessmentRequested
from pairmark.storage.connection import Database, Tx, execute

AT_ONCE = 20
"""Requests taken in between two looks."""

OPEN = """
SELECT coalesce(sum(
    CASE status WHEN 'PERFORMING_COMPARISONS' THEN sent - answered WHEN 'SCORING' THEN 0 ELSE essays END), 0)::bigint
FROM batch WHERE deadline IS NOT NULL AND (due OR status <> 'FETCHING_CONTENT')
"""
"""A batch that has not asked yet soon asks about as much as it has essays; one that waits for its texts asks nothing."""


class Admission:
    """Looks before each poll; it keeps nothing in mind, so any number of workers may do so."""

    def __init__(self, database: Database, most: int = MOST_OPEN_QUESTIONS) -> None:
        self._database = database
        self._most = most

    def at_most(self) -> Mapping[str, int]:
        """How many requests may come with the next poll."""
        with self._database.transaction("assessment") as tx:
            return {AssessmentRequested.topic: AT_ONCE if open_questions(tx) < self._most else 0}

    def standing(self) -> tuple[int, int]:
        """Open questions now, and from how many on requests wait."""
        with self._database.transaction("assessment") as tx:
            return open_questions(tx), self._most


def open_questions(tx: Tx) -> int:
    """Questions that judges have not answered, those included that batches just taken in will soon ask."""
    return int(execute(tx, OPEN)[0][0])
