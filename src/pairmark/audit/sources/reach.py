"""How far a source could be seen: what it no longer holds, or never told, is unknown and not clean."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reach:
    """`limits`: sentences about what could not be seen. `odd`: numbers of records that could not be read, and what is odd.

    `conclusive`: whether it proves anything that nothing repeats in what was seen.
    """

    limits: tuple[str, ...] = ()
    odd: Mapping[str, int] = field(default_factory=dict)
    conclusive: bool = True


WHOLE = Reach()
"""All that was asked for was there to be seen."""
