"""What an error of the client library means for an ask, in words for people; no text of a key gets into them.

Loaded with the library. Whether something is sent again is decided in `sending`, by what is said here.
"""

from collections.abc import Iterator

from pydantic_ai import exceptions as errors

from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.llm.provider import ADDRESSES, KEYS, NAMES, Elsewhere, Redirected, scrub, whom
from pairmark.judges.llm.sending import Again, Meaning, NoAnswer
from pairmark.judges.llm.verdict import storable
from pairmark.judges.question import JudgeUnable

LONGEST_DETAIL = 300
COSTS_NOTHING = frozenset((500, 502))
SCHEMA_WORDS = (
    "json_schema",
    "response_format",
    "structured output",
    "output_config",
    "responsejsonschema",
    "json schema",
)
POLICY_WORDS = (
    "content_policy",
    "content policy",
    "content filter",
    "safety system",
    "flagged",
    "usage policies",
    "invalid_prompt",
    "moderation",
)


class Meanings:
    """Knows whether the judge ever answered: a refusal of the first request concerns the judge, a later one its question."""

    def __init__(self, config: LlmConfig) -> None:
        self._config = config
        self._whom = whom(config)
        self.worked = False

    def of(self, error: Exception) -> Meaning:
        """What to do about this error."""
        on_the_way = self._not_sent(error)
        if on_the_way is not None:
            return on_the_way
        if isinstance(error, TimeoutError | errors.ModelRequestTimeout):
            return self._too_late()
        if isinstance(error, errors.ModelConnectionError):
            return self._broken(error)
        return self._refused(error) if isinstance(error, errors.ModelAPIError) else self._unreadable(error)

    def _not_sent(self, error: Exception) -> Meaning | None:
        """What kept a request from where it was meant to go, if that is what happened."""
        for cause in _causes(error):
            if isinstance(cause, Elsewhere):
                told = f"is at {cause.host}, and texts must not leave this machine"
                return self._unable(told, "Name a server on this machine.")
            if isinstance(cause, Redirected):
                return self._unable("answers with another address, which is not followed", self._check_address())
            if type(cause).__name__ in ("ProxyError", "UnsupportedProtocol"):
                return self._unreachable("the proxy refuses, or is none")
        return None

    def _unable(self, what: str, remedy: str, retry_after: float | None = None) -> JudgeUnable:
        return JudgeUnable(f"The judge {self._config.name} {what}.", remedy=remedy, retry_after=retry_after)

    def _too_late(self) -> NoAnswer:
        return NoAnswer("timed_out", f"no answer within {self._config.timeout} seconds")

    def _unreachable(self, why: str) -> Again:
        remedy = "Start the server." if self._config.provider == "url" else "Check the connection."
        return Again(
            f"{self._whom} cannot be reached ({why})",
            self._unable(f"cannot be reached ({why})", f"{remedy} The run goes on by itself."),
        )

    def _broken(self, error: errors.ModelConnectionError) -> Meaning:
        if error.phase in ("connect", "pool"):
            return self._unreachable(_why(error))
        if isinstance(error, errors.ModelTimeoutError):
            return self._too_late()
        return NoAnswer("failed", "the connection broke before the answer was there")

    def _refused(self, error: errors.ModelAPIError) -> Meaning:
        status = getattr(error, "status_code", 0)
        if isinstance(error, errors.ModelQuotaExceededError):
            return self._unable("has no quota left", f"Add credit at {self._whom}, or wait until the quota is renewed.")
        if isinstance(error, errors.ModelRateLimitError | errors.ModelUnavailableError):
            return self._later(status, error)
        if isinstance(error, errors.ModelServerError):
            return self._server_error(status, error)
        if isinstance(error, errors.ModelRequestRejectedError):
            return self._rejected(status, error)
        unreadable = NoAnswer("failed", f"the answer of {self._whom} cannot be read")
        return self._unknown_refusal(status, error) if status else unreadable

    def _later(self, status: int, error: errors.ModelAPIError) -> Again:
        if isinstance(error, errors.ModelRateLimitError):
            lasting = self._unable("asks for fewer requests", "The run goes on by itself when there is room.")
            return Again("rate limit", lasting, error.retry_after, limited=True)
        lasting = self._unable(f"is overloaded or down (HTTP {status})", "The run goes on by itself when it is back.")
        return Again(f"{self._whom} answers HTTP {status}", lasting, error.retry_after)

    def _server_error(self, status: int, error: errors.ModelAPIError) -> Meaning:
        if status in COSTS_NOTHING:
            failed = NoAnswer("failed", f"{self._whom} failed again and again (HTTP {status})", charged=False)
            return Again(f"{self._whom} answers HTTP {status}", failed, error.retry_after)
        if status == 504:
            return NoAnswer("timed_out", f"{self._whom} gave up waiting for the model (HTTP 504)")
        return NoAnswer("failed", f"{self._whom} failed (HTTP {status})")

    def _rejected(self, status: int, error: errors.ModelAPIError) -> Meaning:
        if isinstance(error, errors.ModelAuthenticationError):
            variables = " or ".join(KEYS[self._config.provider])
            return self._unable(
                f"refuses the key (HTTP {status})", f"Check {variables}, and that its account may use this model."
            )
        if isinstance(error, errors.ModelNotFoundError):
            near = getattr(error, "suggested_model_id", None)
            meant = f"Did you mean {near}?" if near else f"Check the name. {self._check_address()}"
            return self._unable(f"is not known to {self._whom}", meant)
        if isinstance(error, errors.ModelContextWindowExceededError):
            return NoAnswer("failed", "both texts together are longer than the model can read", charged=False)
        said = _said(error)
        words = said.lower()
        if any(word in words for word in SCHEMA_WORDS):
            return self._unable(
                f"cannot do structured output: {said!r}",
                "Choose a model that can, or a server that supports json_schema.",
            )
        if any(word in words for word in POLICY_WORDS):
            return NoAnswer("blocked", f"{self._whom} refuses this prompt: {said!r}", charged=False)
        return self._unknown_refusal(status, error)

    def _unknown_refusal(self, status: int, error: errors.ModelAPIError) -> Meaning:
        said = _said(error)
        if self.worked:
            return NoAnswer("failed", f"{self._whom} refuses the request (HTTP {status}): {said!r}", charged=False)
        return self._unable(f"refuses the request (HTTP {status}): {said!r}", "Change what it refuses, and run again.")

    def _unreadable(self, error: Exception) -> Meaning:
        if isinstance(error, errors.ContentFilterError):
            return NoAnswer("blocked", f"{self._whom} withheld the answer")
        if isinstance(error, errors.UserError):
            return self._unable(f"cannot be asked: {_shortened(str(error))!r}", "Choose another model.")
        if isinstance(error, IndexError):
            return NoAnswer("invalid", "the response holds no answer")
        return NoAnswer("failed", f"the answer of {self._whom} cannot be read ({type(error).__name__})")

    def _check_address(self) -> str:
        if self._config.provider in NAMES:
            return f"Check {ADDRESSES[self._config.provider][0][0]}, if it is set."
        return "Check the address; it usually ends with /v1."


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _why(error: BaseException) -> str:
    """The system's word for why no connection came about."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return _shortened(cause.strerror.lower())
    return "no connection"


def _said(error: errors.ModelAPIError) -> str:
    """The provider's own words for a refusal, short."""
    body = error.body
    inner = body.get("error", body) if isinstance(body, dict) else body
    words = inner.get("message", "") if isinstance(inner, dict) else inner
    return _shortened(str(words) if words else error.provider_error_code or "no reason given")


def _shortened(text: str) -> str:
    text = storable(scrub(" ".join(text.split())))
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"
