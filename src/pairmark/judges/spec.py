"""How judges are named on the command line and in the database: `kind:option=value,…`, or a language model.

`parse_judge` reads such a name, `parse_panel` several with their shares, `build_judge` makes the judge. The canonical form
alone rebuilds the same judge; what each kind does is in its own module, loaded only when built.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from pairmark.errors import BadRequest
from pairmark.judges.llm import config as models
from pairmark.judges.llm.config import LlmConfig, LlmOptions
from pairmark.judges.question import Judge

Value = str | int | float

FORMS = (
    f"{models.FORMS.replace(' and ', ', ')}, replay:FILE.csv[,seed=…], "
    "simulated:sd=…,seed=…[,order_bias=…,fail=…,delay_ms=…] and surface"
)
KINDS = (*models.PROVIDERS, "replay", "simulated", "surface")
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
MOST_MEMBERS = 10
_OFF = 0.0005  # how far each share may be rounded: 33.3 % three times is meant as the whole
_FLOAT = 1e-9  # of the sum itself
_TRAILING_OPTION = re.compile(r",([a-z_][a-z0-9_]*)=([^,]*)\Z", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class JudgeSpec:
    """A judge's name, understood.

    `canonical` has every option spelt out, paths absolute and votes pinned by their sha256: store it, and
    `build_judge(parse_judge(canonical))` makes the same judge or refuses. `digest` tells judges apart that may answer
    differently; it does not depend on where a file lies. `model` is there for a language model, `members` with their
    shares for a panel.
    """

    kind: str
    options: Mapping[str, Value]
    canonical: str
    digest: str
    model: LlmConfig | None = None
    members: tuple[tuple["JudgeSpec", float], ...] = ()

    @property
    def label(self) -> str:
        """The judge for people: as it is typed, without rubric and task."""
        if self.members:
            return ", ".join(f"{member.label}={100 * share:g}%" for member, share in self.members)
        return self.model.name if self.model else self.canonical

    @property
    def models(self) -> tuple[LlmConfig, ...]:
        """The language models that judge, each once; none where no call costs anything."""
        if self.members:
            return tuple(config for member, _ in self.members for config in member.models)
        return (self.model,) if self.model else ()


def asks_models(canonical: str) -> bool:
    """Whether the judge of this canonical form is a language model, or a panel with one in it."""
    return canonical.startswith("llm:") or (canonical.startswith("panel:") and '"llm:' in canonical)


def asks_in_jobs(canonical: str) -> bool:
    """Whether a language model of this canonical form is asked by its provider's batch API, where an answer may take a day.

    Of a form that is not understood here (a request of another version) it is not known to be; who is to ask it says what is wrong.
    """
    if not asks_models(canonical):
        return False
    try:
        return any(model.batch for model in parse_judge(canonical).models)
    except BadRequest:
        return False


def parse_panel(texts: Sequence[str], options: LlmOptions | None = None) -> JudgeSpec:
    """Understand one or several judges, each with its share at the end as in `openai:MODEL=60%`, or all without.

    `options` are for all language models among them. One judge is that judge and no panel.
    """
    named = [models.split_share(text) for text in texts]
    if not named:
        raise BadRequest("No judge is named.", remedy=f"There are {FORMS}.")
    judges = [parse_judge(name, options) for name, _ in named]
    shares = _shares([share for _, share in named])
    if len(judges) == 1:
        return judges[0]
    for place, judge in enumerate(judges):
        if judge.digest in {other.digest for other in judges[:place]}:
            raise BadRequest(f"The judge {judge.label} is named twice.", remedy="Name it once, with its whole share.")
    return _panel(list(zip(judges, shares, strict=True)))


def parse_judge(text: str, options: LlmOptions | None = None) -> JudgeSpec:
    """Understand a judge's name; raises `BadRequest` saying what exists when kind, option or value is unknown."""
    kind, _, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind == "llm" and rest.startswith("{"):
        return _model(models.read_config(text.strip()))
    if kind == "panel" and rest.startswith("["):
        return _stored_panel(rest)
    if kind == "replay":
        return _replay(rest)
    if kind == "simulated":
        return _simulated(rest)
    if kind == "surface":
        if rest.strip():
            raise BadRequest("The judge 'surface' takes no options.", remedy="Write --judge surface.")
        return _spec("surface", {}, "surface")
    if models.is_model(kind):
        return _model(models.config_of(kind, text.strip(), options or LlmOptions()))
    if not kind:
        raise BadRequest("No judge is named.", remedy=f"There are {FORMS}.")
    raise BadRequest(f"There is no judge {kind!r}.{models.closest(kind, KINDS)}", remedy=f"There are {FORMS}.")


def build_judge(spec: JudgeSpec) -> Judge:
    """Make the judge; raises `BadRequest` when its recorded votes are unusable or no longer the same."""
    # The modules load numpy or read tables: not for commands that only name a judge.
    if spec.members:
        from pairmark.judges.panel import Panel  # noqa: PLC0415

        return Panel([(build_judge(member), share) for member, share in spec.members])
    if spec.model:
        from pairmark.judges.llm.judge import LanguageModelJudge  # noqa: PLC0415

        return LanguageModelJudge(spec.model)
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


def _model(config: LlmConfig) -> JudgeSpec:
    return JudgeSpec("llm", {}, config.canonical, config.digest, model=config)


def _panel(members: Sequence[tuple[JudgeSpec, float]]) -> JudgeSpec:
    """A panel; in which order its members are named makes no difference."""
    members = tuple(sorted(members, key=lambda member: member[0].canonical))
    told = [{"judge": member.canonical, "share": share} for member, share in members]
    identity = [[member.digest, share] for member, share in sorted(members, key=lambda member: member[0].digest)]
    return JudgeSpec(
        kind="panel",
        options={},
        canonical="panel:" + msgspec.json.encode(told, order="sorted").decode(),
        digest=sha256(b"panel:" + msgspec.json.encode(identity)).hexdigest(),
        members=members,
    )


class _Member(msgspec.Struct, forbid_unknown_fields=True):
    judge: str
    share: float


def _stored_panel(told: str) -> JudgeSpec:
    try:
        members = msgspec.json.decode(told, type=list[_Member])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadRequest("This is no stored name of several judges.", remedy="Give --judge once for each.") from error
    return _panel([(parse_judge(member.judge), member.share) for member in members])


def _shares(given: Sequence[float | None]) -> list[float]:
    """What part of the questions each judge gets; all have a share, or none has and they are equal."""
    if len(given) > MOST_MEMBERS:
        raise BadRequest(f"{len(given)} judges are named; one run takes at most {MOST_MEMBERS}.")
    told = [share for share in given if share is not None]
    if not told:
        return [1 / len(given)] * len(given)
    if len(told) < len(given):
        raise BadRequest(
            "Some judges have a share and some have none.", remedy="Give each one as in JUDGE=60%, or none."
        )
    if not all(0 < share <= 1 for share in told) or abs(sum(told) - 1) > _OFF * len(told) + _FLOAT:
        shares = " + ".join(f"{100 * share:g}" for share in told)
        raise BadRequest(
            f"The shares of the judges are {shares} %, which is {100 * sum(told):g} %.",
            remedy="Each must be above 0, and together they must be 100 %.",
        )
    return [share / sum(told) for share in told]


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
