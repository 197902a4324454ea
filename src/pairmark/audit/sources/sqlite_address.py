"""How an address names a SQLite file and a table of it. Nothing is opened here."""

import re
from pathlib import Path
from urllib.parse import unquote


def split(rest: str) -> tuple[Path, str | None]:
    """File and table from what follows `sqlite:`, such as app.db?table=outbox; %26 is an & in a name."""
    path, _, options = rest.removeprefix("//").partition("?")
    table = dict(re.findall(r"(\w+)=([^&]*)", options)).get("table")
    return Path(path), unquote(table) if table else table
