"""How a judge is named on the command line and in the database: `kind:option=value,…`.

`parse_judge` reads such a name, `build_judge` makes the judge. The canonical form alone rebuilds the same judge; what
each kind does is in its own module, loaded only when built.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.judges.question import Judge

Value = str | int | float

FORMS = "replay:FILE.csv[,seed=…], simulated:sd=…,seed=…[,order_bias=…,fail=…,delay_ms=…] and surface"
MAX_SEED = 2**63 - 1  # the largest bigint of PostgreSQL

Limits = tuple[int | float, float, float]  # default, smallest, largest; a whole-number default asks for whole numbers
SEED: Limits = (0, 0, MAX_SEED)
SIMULATED: dict[str, Limits] = {
    "sd": (1.0, 0, 100),
    "seed": SEED,
    "order_bias": (0.0, -100, 100),
    "fail": (0.0, 0, 1),
    "delay_ms": (0, 0, 60_000),
}
LANGUAGE_MODELS = frozenset(
    ("llm", "openai", "azure", "openrouter", "anthropic", "google", "gemini", "bedrock", "mistral", "cohere")
).union(("groq", "deepseek", "xai", "huggingface", "ollama", "vllm", "llamacpp"))
_TRAILING_OPTION = re.compile(r",([a-z_][a-z0-9_]*)=([^,]*)\Z", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class JudgeSpec:
    """A judge's name, understood.

    `canonical` has every option spelt out, paths absolute and votes pinned by their sha256: store it, and
    `build_judge(parse_judge(canonical))` makes the same judge or refuses. `digest` tells judges apart that may answer
    differently; it does not depend on where a file lies.
    """

    kind: str
    options: Mapping[str, Value]
    canonical: str
    digest: str


def asks_models(canonical: str) -> bool:
    """Whether the judge of this canonical form is a language model, or a panel with one in it."""
    return canonical.startswith("llm:") or (canonical.startswith("panel:") and '"llm:' in canonical)


def parse_judge(text: str) -> JudgeSpec:
    """Understand a judge's name; raises `BadRequest` saying what exists when kind, option or value is unknown."""
    kind, _, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind == "replay":
        return _replay(rest)
    if kind == "simulated":
        return _simulated(rest)
    if kind == "surface":
        if rest.strip():
            raise BadRequest("The judge 'surface' takes no options.", remedy="Write --judge surface.")
        return _spec("surface", {}, "surface")
    if kind in LANGUAGE_MODELS:
        raise BadRequest("Language-model judges are not part of this version.", remedy=f"There are {FORMS}.")
    raise BadRequest(f"There is no judge {kind!r}." if kind else "No judge is named.", remedy=f"There are {FORMS}.")


def build_judge(spec: JudgeSpec) -> Judge:
    """Make the judge; raises `BadRequest` when its recorded votes are unusable or no longer the same."""
    # The modules load numpy or read tables: not for commands that only name a judge.
    if spec.kind == "replay":
        from pairmark.judges.replay import ReplayJudge  # noqa: PLC0415

        options = spec.options
        return ReplayJudge(Path(str(options["path"])), seed=int(options["seed"]), digest=str(options["sha256"]))
    if spec.kind == "simulated":
        from pairmark.judges.simulated import SimulatedJudge  # noqa: PLC0415

        sd, bias, fail = (float(spec.options[name]) for name in ("sd", "order_bias", "fail"))
        seed, delay_ms = int(spec.options["seed"]), int(spec.options["delay_ms"])
        return SimulatedJudge(sd=sd, seed=seed, order_bias=bias, fail=fail, delay_ms=delay_ms)
    from pairmark.judges.surface import SurfaceJudge  # noqa: PLC0415

    return SurfaceJudge()


def _spec(kind: str, options: Mapping[str, Value], canonical: str, identity: str = "") -> JudgeSpec:
    return JudgeSpec(kind, options, canonical, sha256((identity or canonical).encode()).hexdigest())


def _simulated(rest: str) -> JudgeSpec:
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in rest.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in SIMULATED or not equals:
            raise BadRequest(
                f"The judge 'simulated' has no option {part!r}.", remedy=f"Its options are {', '.join(SIMULATED)}."
            )
        _once("simulated", name, given)
        given[name] = value
    options = {name: _number("simulated", name, given.get(name), limits) for name, limits in SIMULATED.items()}
    return _spec("simulated", options, "simulated:" + ",".join(f"{name}={value!r}" for name, value in options.items()))


def _replay(rest: str) -> JudgeSpec:
    path, given = _path_and_options(rest)
    if not path:
        raise BadRequest("The judge 'replay' needs a file of votes.", remedy="Write --judge replay:FILE.csv.")
    seed = _number("replay", "seed", given.get("seed"), SEED)
    place = os.path.abspath(os.path.expanduser(path))
    digest = given.get("sha256") or _digest_of(place)
    if not _SHA256.fullmatch(digest):
        raise BadRequest("The option sha256 of the judge 'replay' must be 64 hexadecimal digits.")
    options: dict[str, Value] = {"path": place, "seed": seed, "sha256": digest}
    return _spec(
        "replay", options, f"replay:{place},seed={seed},sha256={digest}", f"replay:seed={seed},sha256={digest}"
    )


def _path_and_options(rest: str) -> tuple[str, dict[str, str]]:
    """Options stand at the end, so that a path may contain commas: the path is what remains in front of them."""
    given: dict[str, str] = {}
    path = rest.strip()
    while (option := _TRAILING_OPTION.search(path)) and option[1] in ("seed", "sha256"):
        _once("replay", option[1], given)
        given[option[1]] = option[2].strip()
        path = path[: option.start()]
    if option and not Path(path).expanduser().exists() and Path(path[: option.start()]).expanduser().exists():
        raise BadRequest(f"The judge 'replay' has no option {option[1]!r}.", remedy="Its only option is seed.")
    return path, given


def _digest_of(place: str) -> str:
    from pairmark.judges.votes import votes_digest  # noqa: PLC0415 - reads a file; only replay needs it

    return votes_digest(Path(place))


def _once(kind: str, name: str, given: Mapping[str, str]) -> None:
    if name in given:
        raise BadRequest(f"The judge {kind!r} is given the option {name} twice.", remedy="Keep one.")


def _number(kind: str, name: str, text: str | None, limits: Limits) -> int | float:
    default, low, high = limits
    if text is None:
        return default
    whole = isinstance(default, int)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        wanted = "a whole number" if whole else "a number"
        raise BadRequest(
            f"The option {name} of the judge {kind!r} is {text!r}.", remedy=f"It must be {wanted} from {low} to {high}."
        )
    return value
