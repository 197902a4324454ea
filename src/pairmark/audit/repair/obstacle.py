"""Something in the way of a repair, or worth knowing before it."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Obstacle:
    """`refuses`: the repair does not begin while this is so. Otherwise it is said and goes on."""

    refuses: bool
    sentence: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str | bool]:
        """Plain types for JSON."""
        return asdict(self)
