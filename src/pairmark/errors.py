"""The three kinds of failure a reader can act on, and the exit code of each.

Every error a user can cause is raised as one of these with one clear sentence that names the place and the remedy.
Drivers' and libraries' own errors are translated once, at the edge where they occur.
"""

from typing import ClassVar


class PairmarkError(Exception):
    """A failure with a sentence for people; `remedy` says what to do next."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class BadRequest(PairmarkError):
    """The request is wrong; asking again unchanged cannot help."""

    exit_code = 2
    http_status = 400


class Busy(PairmarkError):
    """The system cannot do it now; the same request may succeed later."""

    exit_code = 75
    http_status = 503


class BrokenData(PairmarkError):
    """Stored or received data breaks a rule; it is set aside, never guessed."""

    exit_code = 1
    http_status = 500
