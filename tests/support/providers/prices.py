"""Cards of models that exist, at the prices of the table that comes with the clients."""

from __future__ import annotations

from typing import Any

import msgspec
from genai_prices import Usage, calc_price

from support.providers.scene import Card, known

TOKENS = 1_000  # few, so that no price for long prompts applies


def priced(provider: str, model: str, **changes: Any) -> Card:
    """A model at its price; raises `LookupError` if the table does not have it. `changes` are fields of the card."""

    def each(**tokens: int) -> float:
        usage = Usage(**{"input_tokens": 0, "output_tokens": 0, **tokens})
        return float(calc_price(usage, model_ref=model, provider_id=provider).total_price) / TOKENS * 1e6

    prices = {
        "input": each(input_tokens=TOKENS),
        "cached": each(input_tokens=TOKENS, cache_read_tokens=TOKENS),
        "cache_write": each(input_tokens=TOKENS, cache_write_tokens=TOKENS),
        "output": each(output_tokens=TOKENS),
    }
    return msgspec.structs.replace(known(provider, model), **prices, **changes)
