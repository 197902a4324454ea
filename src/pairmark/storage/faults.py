"""Fault points: named places around every commit, produce and acknowledgement where a test build can kill the process.

In ordinary use `reach` does nothing. Tests install an action that counts the points and ends the process at the k-th.
"""

from collections.abc import Callable

_action: Callable[[str], None] | None = None


def install(action: Callable[[str], None] | None) -> None:
    """Call `action` with the name of every fault point that is reached from now on; None takes it out."""
    global _action  # noqa: PLW0603 - one switch for the whole process
    _action = action


def reach(point: str) -> None:
    """Mark that the named place in the run is reached."""
    if _action is not None:
        _action(point)
