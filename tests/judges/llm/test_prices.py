import json
import re
from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.judges.llm.prices import Prices, Tokens, expected_tokens, worst_tokens
from support.models import config


def test_a_price_nobody_knows_is_none_and_never_nothing() -> None:
    prices = Prices(config("openai:model-nobody-has-heard-of"))
    assert prices.cost(Tokens(1_000, 0, 0, 100)) is None
    assert prices.worst_cost(1_000) is None
    assert prices.context_window is None
    assert prices.row == ""


def test_the_table_that_came_along_prices_models_and_says_its_release() -> None:
    prices = Prices(config("openai:gpt-4o"))
    cost = prices.cost(Tokens(1_000_000, 0, 0, 100_000))
    assert cost is not None
    assert cost > 0
    cached = prices.cost(Tokens(1_000_000, 900_000, 0, 100_000))
    assert cached is not None
    assert cached < cost
    assert prices.cost(Tokens(1_000_000, 0, 0, 100_000), share=0.5) == pytest.approx(cost / 2)
    assert re.fullmatch(r"genai-prices [\d.]+: openai gpt-4o", prices.row)
    assert prices.context_window == 128_000


def test_tokens_nobody_told_cost_nobody_knows_what() -> None:
    assert Prices(config("openai:gpt-4o")).cost(Tokens()) is None
    assert Prices(config("openai:gpt-4o")).cost(Tokens(input=10)) is None


def test_a_price_of_ones_own_goes_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    own = {
        "openai:m": {"input": 2, "cached": 0.5, "output": 8, "context": 4_000},
        "http://127.0.0.1:1/v1#m": {"input": 0, "output": 0},
    }
    path.write_text(json.dumps(own), encoding="utf-8")
    monkeypatch.setenv("PAIRMARK_PRICES", str(path))
    prices = Prices(config("openai:m"))
    assert prices.cost(Tokens(1_000_000, 400_000, 100_000, 50_000)) == pytest.approx(1.0 + 0.2 + 0.2 + 0.4)
    assert prices.context_window == 4_000
    assert prices.row == "prices.json: openai:m"
    assert Prices(config("http://127.0.0.1:1/v1#m")).cost(Tokens(10, 0, 0, 10)) == 0.0
    assert Prices(config("openai:other-one")).cost(Tokens(10, 0, 0, 10)) is None


@pytest.mark.parametrize(
    "content", ["", "[]", '{"openai:m": {"input": -1, "output": 1}}', '{"openai:m": {"input": 1}}', '{"openai:m": 3}']
)
def test_prices_that_cannot_be_read_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    (tmp_path / "prices.json").write_text(content, encoding="utf-8")
    monkeypatch.setenv("PAIRMARK_PRICES", str(tmp_path / "prices.json"))
    with pytest.raises(BadRequest, match="cannot be read"):
        Prices(config("openai:m")).cost(Tokens(1, 0, 0, 1))


def test_the_worst_case_is_worse_than_what_is_expected() -> None:
    assert worst_tokens(10_000) > expected_tokens(10_000) > 10_000 / 4
    prices = Prices(config("openai:gpt-4o", max_output_tokens=1_000))
    assert prices.worst_cost(10_000) == prices.cost(Tokens(worst_tokens(10_000), 0, 0, 1_000))


def test_the_most_a_call_may_cost_counts_what_is_written_to_a_cache() -> None:
    told = config("anthropic:claude-sonnet-4-5")
    tokens = worst_tokens(40_000)
    written = Prices(told).cost(Tokens(input=tokens, written=tokens, output=told.max_output_tokens))
    assert Prices(told).worst_cost(40_000) == written
    assert written is not None
    assert written > (Prices(told).cost(Tokens(input=tokens, output=told.max_output_tokens)) or 0)
