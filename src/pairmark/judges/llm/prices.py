"""What a call may cost and what it did cost, by the table of prices that came with the installed `genai-prices`.

The table is never fetched; a file of one's own, named by PAIRMARK_PRICES, goes before it. A price nobody knows is None, never
0, and so is the cost of a call whose tokens are not known.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmConfig
from pairmark.reading.files import MEGABYTE, read_bounded

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


_Money = Annotated[float, msgspec.Meta(ge=0)]


class OwnPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price of one's own, in US dollars for a million tokens; cached and written tokens cost like others if not said."""

    input: _Money
    output: _Money
    cached: _Money | None = None
    written: _Money | None = None
    context: Annotated[int, msgspec.Meta(gt=0)] | None = None

    def cost(self, tokens: Tokens) -> float:
        """US dollars for these tokens, whose input and output are known."""
        cached, written = tokens.cached or 0, tokens.written or 0
        fresh = (tokens.input or 0) - cached - written
        inside = fresh * self.input
        inside += cached * (self.input if self.cached is None else self.cached)
        inside += written * (self.input if self.written is None else self.written)
        return (inside + (tokens.output or 0) * self.output) / 1_000_000


class Prices:
    """Prices of one model; the tables are loaded on first use."""

    def __init__(self, config: LlmConfig) -> None:
        self._config = config

    @cached_property
    def _own(self) -> tuple[str, OwnPrice] | None:
        """The price in the file of one's own, and the file's name."""
        named = os.environ.get("PAIRMARK_PRICES", "").strip()
        if not named:
            return None
        data = read_bounded(Path(named).expanduser(), MEGABYTE)
        try:
            price = msgspec.json.decode(data, type=dict[str, OwnPrice]).get(self._config.name)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise BadRequest(
                f"The prices in {named} cannot be read: {error}.",
                remedy='Write {"openai:MODEL": {"input": 1.25, "output": 10}}, in US dollars for a million tokens.',
            ) from error
        return None if price is None else (Path(named).name, price)

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
        if self._own is not None:
            return self._own[1].context
        return None if self._row is None else self._row[1].context_window

    @cached_property
    def row(self) -> str:
        """The row of the table in words, with the release of the table; empty when there is none."""
        if self._own is not None:
            return f"{self._own[0]}: {self._config.name}"
        if self._row is None:
            return ""
        provider, model = self._row
        return f"genai-prices {version('genai-prices')}: {provider.id} {model.id}"

    def cost(self, tokens: Tokens, *, share: float = 1.0) -> float | None:
        """US dollars for these tokens; `share` of the full price, such as `BATCH_SHARE`."""
        if tokens.input is None or tokens.output is None:
            return None
        if self._own is not None:
            return self._own[1].cost(tokens) * share
        if self._row is None:
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
        most = worst_tokens(size)
        written = (
            most if self._config.provider == "anthropic" else None
        )  # what is cached for later calls costs more there
        tokens = Tokens(input=most, written=written, output=self._config.max_output_tokens)
        return self.cost(tokens, share=share)


def expected_tokens(size: int) -> int:
    """Tokens of a prompt of `size` bytes, roughly."""
    return round(size / BYTES_PER_TOKEN) + OVERHEAD_TOKENS


def worst_tokens(size: int) -> int:
    """Tokens of a prompt of `size` bytes that prose hardly exceeds, whatever its language."""
    return round(size / FEWEST_BYTES_PER_TOKEN) + OVERHEAD_TOKENS
