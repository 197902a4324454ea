"""How an address names a SQLite file and a table of it. Nothing is opened here."""

import re
from pathlib import Path


def split(rest: str) -> tuple[Path, str | None]:
    """File and table from what follows `sqlite:`, such as app.db?table=outbox."""
    path, _, options = rest.removeprefix("//").partition("?")
    return Path(path), dict(re.findall(r"(\w+)=([^&]*)", options)).get("table")
