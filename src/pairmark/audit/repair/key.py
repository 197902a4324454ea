"""The key of a repair in SQL, the same on every server: its columns, and which rows it concerns."""

from pairmark.audit.sources.statements import quoted


class Keyed:
    """What has key columns, and a condition on the rows that the key concerns (None: every row)."""

    key: tuple[str, ...]
    condition: str | None

    @property
    def keys(self) -> str:
        """The key columns, quoted, as a list."""
        return ", ".join(map(quoted, self.key))

    @property
    def concerned(self) -> str:
        """The condition that a row has a whole key and is one that the key concerns: NULL is equal to nothing."""
        known = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in self.key)
        return f"{known} AND {self.condition}" if self.condition else known

    @property
    def lacking(self) -> str:
        """The condition that a row would be concerned if its key were whole."""
        missing = " OR ".join(f"{quoted(column)} IS NULL" for column in self.key)
        return f"({missing}) AND {self.condition}" if self.condition else f"({missing})"

    @property
    def narrowed(self) -> str:
        """The end of an index's definition."""
        return f" WHERE {self.condition}" if self.condition else ""
