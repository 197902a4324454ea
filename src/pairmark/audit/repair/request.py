"""What a person asks of a repair, in their words; nothing here has looked at the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pairmark.audit.sources.statements import literal, quoted
from pairmark.errors import BadRequest

KEYS = ("aggregate", "type", "id", "key", "correlation")
KEEPS = ("first", "published")
GUARDS = ("divert", "refuse")
PARTS_OF_UNDO = ("guard", "index", "rows", "tables")


@dataclass(frozen=True)
class Request:
    """A repair of the table at `source`.

    `unique_on`: what the same fact means, of aggregate, type, id, key and correlation. `columns`: column names by part, where they
    are not recognised. `types`: only these types, with * and ?. `where`: an SQL condition that narrows the key further.
    `keep`: the first row of a fact, or the first that was published. `guard`: what happens to new duplicates meanwhile.
    Times in seconds: `lock_timeout` for one attempt at a lock that stops writers, `statement_timeout` for one statement, `patience`
    for all attempts at one step together, `probe` for looking whether duplicates still appear.
    """

    source: str
    unique_on: tuple[str, ...] = ("aggregate", "type")
    columns: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    where: str | None = None
    keep: str = "first"
    guard: str = "divert"
    accept_triggers: bool = False
    batch: int = 5_000
    lock_timeout: float = 1.0
    statement_timeout: float = 3_600.0
    patience: float = 600.0
    probe: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        unknown = [part for part in self.unique_on if part not in KEYS]
        if unknown or not self.unique_on or len(set(self.unique_on)) < len(self.unique_on):
            raise BadRequest(
                f"A unique key cannot be built on {', '.join(self.unique_on) or 'nothing'}.",
                remedy=f"Give --unique-on some of {','.join(KEYS)}.",
            )
        if any("[" in pattern for pattern in self.types):
            raise BadRequest(
                "A key for a part of the types takes * and ? only.", remedy="Write a condition by --where."
            )
        for option in ("batch", "lock_timeout", "statement_timeout", "patience"):
            if getattr(self, option) <= 0:
                raise BadRequest(f"--{option.replace('_', '-')} must be above 0.")


def condition(request: Request, type_column: str) -> str | None:
    """The SQL condition on a row that says whether the key concerns it; None if it concerns every row."""
    parts = []
    if request.types:
        parts.append("(" + " OR ".join(_of_type(quoted(type_column), pattern) for pattern in request.types) + ")")
    if request.where:
        parts.append(f"({request.where}\n)" if "--" in request.where else f"({request.where})")
    return " AND ".join(parts) or None


def _of_type(column: str, pattern: str) -> str:
    if not set(pattern) & {"*", "?"}:
        return f"{column} = {literal(pattern)}"
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{column} LIKE {literal(escaped.replace('*', '%').replace('?', '_'))}"
