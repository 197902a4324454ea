"""How long to wait before the next try."""

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0


def delay_seconds(attempts: int, *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> float:
    """Doubling waits after `attempts` failures: 1, 2, 4 … up to `longest` seconds."""
    return float(min(first * 2 ** max(attempts - 1, 0), longest))
