"""Grade scales: the grades of one system in order. Files are read elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GradeScale:
    """`grades` lowest first, two or more; `pass_grade` is the lowest that passes, if the system has one."""

    key: str
    name: str
    grades: tuple[str, ...]
    pass_grade: str | None = None

    def place(self, grade: str) -> int | None:
        """Number of a grade from 0 (lowest), letter case and outer spaces ignored; None if the scale has no such grade."""
        wanted = grade.strip().casefold()
        for number, name in enumerate(self.grades):
            if name.casefold() == wanted:
                return number
        return None
