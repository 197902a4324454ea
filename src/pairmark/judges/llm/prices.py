"""What a call may cost and what it did cost, by the table of prices that came with the installed `genai-prices`.

The table is never fetched. A price nobody knows is None, never 0, and so is the cost of a call whose tokens are not known.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

from pairmark.judges.llm.config import LlmConfig

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

BYTES_PER_TOKEN = 4.0  # of English prose by the tokenisers of 2026; other scripts have more bytes in a character
FEWEST_BYTES_PER_TOKEN = 3.0
OVERHEAD_TOKENS = 150  # the schema and what a provider wraps around messages
BATCH_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider counted; None where it did not tell. Cached and written tokens are part of the input."""

    input: int | None = None
    cached: int | None = None
    written: int | None = None
    output: int | None = None
    reasoning: int | None = None


class Prices:
    """Prices of one model; the table is loaded on first use."""

    def __init__(self, config: LlmConfig) -> None:
        self._config = config

    @cached_property
    def _row(self) -> "tuple[Provider, ModelInfo] | None":
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - part of the extra, and a large table

        by_name = None if self._config.provider == "url" else self._config.provider
        by_url = self._config.base_url if self._config.provider == "url" else None
        try:
            return get_snapshot().find_provider_model(self._config.model, None, by_name, by_url)
        except LookupError:
            return None

    @property
    def context_window(self) -> int | None:
        """How many tokens the model takes in and gives out together, if the table knows."""
        return None if self._row is None else self._row[1].context_window

    @property
    def row(self) -> str:
        """The row of the table in words, with the date it was checked; empty when there is none."""
        if self._row is None:
            return ""
        provider, model = self._row
        checked = model.prices_checked
        when = f", checked {checked.isoformat()}" if checked is not None else ""
        return f"genai-prices {version('genai-prices')}: {provider.id} {model.id}{when}"

    def cost(self, tokens: Tokens, *, share: float = 1.0) -> float | None:
        """US dollars for these tokens; `share` of the full price, such as `BATCH_SHARE`."""
        if self._row is None or tokens.input is None or tokens.output is None:
            return None
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - part of the extra

        provider, model = self._row
        usage = Usage(
            input_tokens=tokens.input,
            cache_read_tokens=min(tokens.cached or 0, tokens.input),
            cache_write_tokens=min(tokens.written or 0, tokens.input - min(tokens.cached or 0, tokens.input)),
            output_tokens=tokens.output,
        )
        try:
            total = calc_price(usage, model_ref=model.id, provider_id=provider.id).total_price
        except (LookupError, ValueError):
            return None
        return float(total) * share

    def worst_cost(self, size: int, *, share: float = 1.0) -> float | None:
        """US dollars for a prompt of `size` bytes if its text is costly to count and the answer as long as it may be."""
        tokens = Tokens(input=worst_tokens(size), output=self._config.max_output_tokens)
        return self.cost(tokens, share=share)


def expected_tokens(size: int) -> int:
    """Tokens of a prompt of `size` bytes, roughly."""
    return round(size / BYTES_PER_TOKEN) + OVERHEAD_TOKENS


def worst_tokens(size: int) -> int:
    """Tokens of a prompt of `size` bytes that prose hardly exceeds, whatever its language."""
    return round(size / FEWEST_BYTES_PER_TOKEN) + OVERHEAD_TOKENS
