"""A look at a text for what speaks to its judge instead of its reader: spans, kinds and plain words. Pure; nobody is accused.

What is found goes to a person, who sees the place and decides. What is done with it is in the assessment service.
"""

from pairmark.judges.hostile.finding import Finding, Kind
from pairmark.judges.hostile.scan import scan

__all__ = ["Finding", "Kind", "scan"]
