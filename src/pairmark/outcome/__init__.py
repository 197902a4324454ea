"""What one batch came to, gathered from all services, and whether it has come to rest in all of them."""

from pairmark.outcome.collecting import Comparand, Obstacle, collect, in_the_way, settled

__all__ = ["Comparand", "Obstacle", "collect", "in_the_way", "settled"]
