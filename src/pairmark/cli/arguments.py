"""Values on the command line that several commands take and that can be wrong by themselves."""

import argparse
from pathlib import Path


def folder(text: str) -> Path:
    """A folder by its name; an empty one would silently mean the folder one stands in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a folder, or give . for this one")
    return Path(text)
