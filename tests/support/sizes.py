"""How large a test runs: reduced in ordinary runs, full with `PAIRMARK_SOAK=1`. The code of the test is the same."""

import os
from typing import TypeVar

Size = TypeVar("Size")


def size(reduced: Size, full: Size) -> Size:
    """The size to run at."""
    return full if os.environ.get("PAIRMARK_SOAK") == "1" else reduced
