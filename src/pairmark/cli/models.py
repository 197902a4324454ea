"""Options about language models that several commands take."""

import argparse
from pathlib import Path
from typing import Any

JUDGES = (
    "openai:MODEL, anthropic:MODEL, google:MODEL, openrouter:MODEL, http://HOST:PORT/v1#MODEL, replay:FILE.csv[,seed=N], "
    "simulated:sd=1,seed=3[,order_bias=…,fail=…,delay_ms=…], or surface"
)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What language models are told, and how they are reached."""
    group = parser.add_argument_group("language models")
    group.add_argument(
        "--rubric",
        metavar="NAME|FILE",
        help="what better means: quality, argumentative, narrative, summary, second-language, or a text file of your own "
        "(default: quality)",
    )
    group.add_argument("--task", metavar="FILE", type=Path, help="text file with what the writers were asked to do")
    group.add_argument("--language", metavar="NAME", help="language of the texts, as sv or Swedish")
    group.add_argument("--effort", metavar="LEVEL", help="how hard a model thinks: none, minimal, low, medium, high, …")
    group.add_argument("--max-output-tokens", type=int, metavar="N", help="most tokens of an answer (default: 4000)")
    group.add_argument("--timeout", type=int, metavar="S", help="seconds to wait for an answer (default: 300)")
    group.add_argument(
        "--requests-per-minute", type=int, metavar="N", help="most requests (default: what the provider allows)"
    )
    group.add_argument(
        "--tokens-per-minute", type=int, metavar="N", help="most tokens (default: what the provider allows)"
    )
    group.add_argument("--local-only", action="store_true", help="refuse every address that is not this machine")


def add_spend_limit(parser: Any) -> None:
    """The most that may be spent."""
    parser.add_argument(
        "--spend-limit", type=dollars, metavar="USD", help="stop cleanly before more than this is spent, in US dollars"
    )


def dollars(text: str) -> float:
    """An amount in US dollars, with or without its sign."""
    try:
        return float(text.strip().removeprefix("$"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount in US dollars, such as 5 or 0.50") from None


def chosen(arguments: argparse.Namespace) -> Any:
    """What was chosen, under the names that the library has for it."""
    from pairmark.assessing import Choices  # noqa: PLC0415 - start-up time

    names = Choices.__optional_keys__
    return {name: value for name, value in vars(arguments).items() if name in names}
