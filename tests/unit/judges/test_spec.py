from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmark.errors import BadRequest
from pairmark.judges.question import Question
from pairmark.judges.replay import ReplayJudge
from pairmark.judges.simulated import SimulatedJudge
from pairmark.judges.spec import asks_in_jobs, build_judge, parse_judge
from pairmark.judges.surface import SurfaceJudge

Build = Callable[..., Question]
Write = Callable[..., Path]


def test_simulated_options_reach_the_judge_and_missing_ones_have_defaults() -> None:
    judge = build_judge(parse_judge("simulated:sd=2,seed=3,order_bias=-0.5,fail=.25,delay_ms=7"))
    assert isinstance(judge, SimulatedJudge)
    assert (judge.sd, judge.seed, judge.order_bias, judge.fail, judge.delay_ms) == (2.0, 3, -0.5, 0.25, 7)
    assert parse_judge("simulated") == parse_judge(" Simulated: ") == parse_judge("simulated:seed=0, sd=1")


@given(
    sd=st.floats(0, 100),
    seed=st.integers(0, 2**63 - 1),
    order_bias=st.floats(-100, 100),
    fail=st.floats(0, 1),
    delay_ms=st.integers(0, 60_000),
)
def test_the_canonical_form_rebuilds_the_same_simulated_judge(sd, seed, order_bias, fail, delay_ms) -> None:
    text = f"simulated:delay_ms={delay_ms},fail={fail!r},order_bias={order_bias!r},seed={seed},sd={sd!r}"
    spec = parse_judge(text)
    assert parse_judge(spec.canonical) == spec
    expected = {"sd": sd, "seed": seed, "order_bias": order_bias, "fail": fail, "delay_ms": delay_ms}
    assert spec.options == expected


def test_replay_is_pinned_to_an_absolute_path_and_the_bytes_of_its_votes(
    vote_file: Write, ask_about: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = vote_file(*[("a", "b", word) for word in ("left", "right", "tie", "left", "right")])
    monkeypatch.chdir(path.parent)
    spec = parse_judge("replay:v.csv,seed=3")
    digest = sha256(path.read_bytes()).hexdigest()
    assert spec.options == {"path": str(path), "seed": 3, "sha256": digest}
    assert spec.canonical == f"replay:{path},seed=3,sha256={digest}"

    monkeypatch.chdir("/")
    stored = parse_judge(spec.canonical)
    assert stored == spec
    asked = [ask_about("a", "b", repeat) for repeat in range(5)]
    assert build_judge(stored).ask(asked) == ReplayJudge(path, seed=3).ask(asked)


def test_replay_votes_that_changed_are_refused_on_build_and_told_apart_on_parse(vote_file: Write) -> None:
    path = vote_file(("a", "b", "left"))
    before = parse_judge(f"replay:{path}")
    path.write_text(path.read_text().replace("left\r", "right\r"))
    after = parse_judge(f"replay:{path}")
    assert after.digest != before.digest
    for stored in (before, parse_judge(before.canonical)):
        with pytest.raises(BadRequest, match=r"v\.csv have changed since this judge was chosen.*Restore the file"):
            build_judge(stored)


def test_the_digest_tells_judges_apart_but_not_the_places_of_their_files(vote_file: Write) -> None:
    one, copy = (vote_file(("a", "b", "left"), name=name) for name in ("one.csv", "copy.csv"))
    assert parse_judge(f"replay:{one}").digest == parse_judge(f"replay:{copy},seed=0").digest
    texts = [f"replay:{one}", f"replay:{one},seed=1", "surface", "simulated", "simulated:seed=1"]
    assert len({parse_judge(text).digest for text in texts}) == len(texts)


@pytest.mark.parametrize("name", ["a,b.csv", "a,seed=x,b.csv", "a=1,b=2.csv", "x:y.csv", "k=v,w=u"])
def test_file_names_may_contain_commas_and_signs(vote_file: Write, name: str) -> None:
    path = vote_file(("a", "b", "left"), name=name)
    for text in (f"replay:{path}", f"replay:{path},seed=5"):
        spec = parse_judge(text)
        assert spec.options["path"] == str(path)
        assert parse_judge(spec.canonical) == spec
        assert build_judge(spec).name == "replay"


def test_surface_is_built_and_may_not_grade() -> None:
    judge = build_judge(parse_judge("surface"))
    assert isinstance(judge, SurfaceJudge)
    assert not judge.may_grade


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No judge is named. There are openai:MODEL, "),
        ("oracle", "There is no judge 'oracle'. There are openai:MODEL, "),
        ("reply:v.csv", "There is no judge 'reply'. Did you mean replay?"),
        ("simulated:sdd=1", "has no option 'sdd=1'. Its options are sd, seed, order_bias, fail, delay_ms."),
        ("simulated:sd", "has no option 'sd'."),
        ("simulated:sd=big", "The option sd of the judge 'simulated' is 'big'. It must be a number from 0 to 100."),
        ("simulated:sd=nan", "option sd of the judge 'simulated' is 'nan'"),
        ("simulated:sd=-1", "option sd of the judge 'simulated' is '-1'"),
        ("simulated:seed=1.5", "is '1.5'. It must be a whole number from 0 to 9223372036854775807."),
        ("simulated:fail=1.1", "is '1.1'. It must be a number from 0 to 1."),
        ("simulated:delay_ms=60001", "is '60001'. It must be a whole number from 0 to 60000."),
        ("simulated:seed=1,seed=2", "is given the option seed twice."),
        ("surface:words=1", "The judge 'surface' takes no options."),
        ("replay", "The judge 'replay' needs a file of votes."),
        ("replay:,seed=3", "The judge 'replay' needs a file of votes."),
        ("replay:/no/such.csv", "/no/such.csv does not exist."),
        ("replay:/", "/ is not a file."),
        ("replay:v.csv,seed=x", "The option seed of the judge 'replay' is 'x'."),
        ("replay:v.csv,sha256=12", "must be 64 hexadecimal digits"),
    ],
)
def test_what_is_not_understood_is_said_with_what_exists(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_judge(text)
    assert said in str(refused.value)


def test_an_unknown_replay_option_is_named(vote_file: Write) -> None:
    path = vote_file(("a", "b", "left"))
    with pytest.raises(BadRequest, match=r"'replay' has no option 'speed'\. Its only option is seed\."):
        parse_judge(f"replay:{path},speed=3")
    with pytest.raises(BadRequest, match="is given the option seed twice"):
        parse_judge(f"replay:{path},seed=3,seed=4")


def test_a_model_of_a_form_nobody_here_understands_is_asked_in_no_jobs():
    assert not asks_in_jobs('llm:{"model":"m"}')
    assert not asks_in_jobs('panel:[{"judge":"llm:{}","share":1}]')
    assert not asks_in_jobs("surface")
