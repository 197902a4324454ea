"""Language models as judges over real HTTP, against servers that keep to each provider's contract."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pairmark.errors import BadRequest
from pairmark.judges.llm import provider
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.question import JudgeUnable
from support.models import BETTER, HOSTED, KNOWN, WORSE, ask, named, question
from support.providers import Card, FakeProviders, Limits, Scene

Start = Callable[..., FakeProviders]
Make = Callable[..., LanguageModelJudge]

EVERY = pytest.mark.parametrize("provider", [*HOSTED, "url"])


@EVERY
def test_a_question_is_one_request_and_its_answer_a_verdict(provider: str, providers: Start, judge: Make) -> None:
    fake = providers(Scene(judge=KNOWN))
    one = judge(named(provider, fake))
    answer, turned = ask(one), ask(one, WORSE, BETTER, "call-2")
    assert (answer.kind, answer.winner, turned.winner) == ("verdict", "first", "second")
    assert answer.judge == one.name
    assert answer.justification.startswith("Text 1 argues")
    assert answer.evidence[0].startswith("A careful text")
    assert answer.evidence[1].startswith("A text")
    assert answer.instructions_found is False
    assert [entry.request_id for entry in fake.book.entries] == ["call-1", "call-2"]
    [entry] = fake.book.of("call-1")
    call = answer.call
    assert call is not None
    assert (call.input_tokens, call.output_tokens) == (entry.input_tokens, entry.output_tokens)
    assert (call.model, call.attempts) == (one.config.model, 1)
    assert call.provider_request_id
    assert call.prompt_hash == one.prompt(question(BETTER, WORSE)).hash
    assert json.loads(call.answer)["better"] == "1"
    assert call.cost is None
    assert call.latency_ms == answer.response_time_ms


@EVERY
@pytest.mark.parametrize(
    "scenario", ["reversed_keys", "spaced", "escaped", "other_model", "no_usage", "twice", "drip(seconds=0.2)"]
)
def test_good_answers_in_another_dress_are_verdicts(
    scenario: str, provider: str, providers: Start, judge: Make
) -> None:
    fake = providers(Scene(rules=scenario, judge=KNOWN))
    answer = ask(judge(named(provider, fake)))
    assert answer.call is not None
    if scenario == "no_usage" and provider.startswith("anthropic"):
        assert (answer.kind, answer.call.cost) == ("failed", None), "its library reads no answer without usage"
        return
    assert (answer.kind, answer.winner) == ("verdict", "first")
    if scenario == "other_model":
        assert answer.call.model.endswith("-2026-11-01")
    if scenario == "no_usage":
        assert answer.call.input_tokens is answer.call.output_tokens is answer.call.cost is None
        assert answer.token_usage == {}


@pytest.mark.parametrize("scenario", ["fenced", "prefixed"])
def test_servers_of_ones_own_may_wrap_a_verdict_in_words(scenario: str, providers: Start, judge: Make) -> None:
    fake = providers(Scene(rules=scenario, judge=KNOWN))
    assert ask(judge(named("url", fake))).winner == "first"
    assert ask(judge("openai:judge-1")).kind == "invalid"


def test_evidence_that_stands_in_no_text_is_not_kept(providers: Start, judge: Make) -> None:
    providers(Scene(rules="invented_evidence", judge=KNOWN))
    answer = ask(judge())
    assert answer.evidence[0] == ""
    assert answer.evidence[1]


@EVERY
@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("truncated", {"truncated"}),
        ("truncated_whole", {"truncated"}),
        ("refusal", {"refused", "blocked"}),
        ("refusal_in_words", {"invalid"}),
        ("filtered", {"blocked", "refused"}),
        ("filtered_input", {"blocked"}),
        ("blocked", {"blocked"}),
        ("empty", {"invalid"}),
        ("empty_text", {"invalid"}),
        ("not_json", {"invalid"}),
        ("wrong_enum", {"invalid"}),
        ("number", {"invalid"}),
        ("missing_key", {"invalid"}),
        ("twice_key", {"invalid"}),
        ("two_objects", {"invalid"}),
        ("null", {"invalid"}),
        ("list", {"invalid"}),
        ("broken", {"invalid"}),
        ("context", {"failed"}),
    ],
)
def test_g11_what_is_no_verdict_is_told_as_what_it_is(
    scenario: str, kinds: set[str], provider: str, providers: Start, judge: Make
) -> None:
    fake = providers(Scene(rules=scenario, judge=KNOWN))
    answer = ask(judge(named(provider, fake)))
    assert answer.kind in kinds
    assert answer.winner is None
    assert answer.detail
    assert len(fake.book.entries) == 1, "what may have been charged is not sent again"
    assert answer.call is not None
    assert answer.call.prompt_hash


@EVERY
@pytest.mark.parametrize(
    "rules", ["429(retry_after=0) first 2", "429 first 1", "500 first 2", "502 first 1", "503 first 1", "529 first 1"]
)
def test_what_surely_cost_nothing_is_sent_again_within_the_same_ask(
    rules: str, provider: str, providers: Start, judge: Make
) -> None:
    fake = providers(Scene(rules=rules, judge=KNOWN))
    answer = ask(judge(named(provider, fake)))
    assert answer.winner == "first"
    assert answer.call is not None
    assert answer.call.attempts == len(fake.book.entries) == 1 + int(rules[-1])
    assert {entry.request_id for entry in fake.book.entries} == {"call-1"}


@EVERY
@pytest.mark.parametrize(
    ("rules", "kind"), [("hang", "timed_out"), ("slow(seconds=30)", "timed_out"), ("drop", "failed"), ("cut", "failed")]
)
def test_what_may_have_been_charged_ends_the_ask_and_its_cost_is_not_known(
    rules: str, kind: str, provider: str, providers: Start, judge: Make
) -> None:
    fake = providers(Scene(rules=rules, judge=KNOWN))
    answer = ask(judge(named(provider, fake), timeout=1))
    assert answer.kind == kind
    assert answer.call is not None
    assert answer.call.cost is None
    assert len(fake.book.entries) == 1


@EVERY
@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("key", "refuses the key (HTTP 40"),
        ("forbidden", "refuses the key (HTTP 403). Check "),
        ("quota", "has no quota left."),
        ("no_schema", "structured output"),
    ],
)
def test_what_is_wrong_with_the_judge_is_said_in_words(
    rules: str, said: str, provider: str, providers: Start, judge: Make
) -> None:
    fake = providers(Scene(rules=rules))
    one = judge(named(provider, fake))
    for _ in range(3):
        with pytest.raises(JudgeUnable) as unable:
            ask(one)
        assert said in str(unable.value)
    assert len(fake.book.entries) == 1, "a judge that is unable is left alone"


@EVERY
def test_a_model_nobody_knows_is_said_to_be_unknown(provider: str, providers: Start, judge: Make) -> None:
    fake = providers()
    one = judge(f"{named(provider, fake)}-unknown")
    with pytest.raises(JudgeUnable) as unable:
        ask(one)
    assert "is not known" in str(unable.value) or "is not a valid model ID" in str(unable.value)
    assert one.name in str(unable.value)


def test_a_server_that_is_not_there_is_called_unreachable(judge: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = judge(f"http://127.0.0.1:{port}/v1#m", timeout=2)
    with pytest.raises(JudgeUnable, match=r"cannot be reached \(.*\)\. Start the server\."):
        ask(one)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "GOOGLE_API_KEY"])
def test_a_missing_key_is_named_before_anything_is_asked(
    variable: str, providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = providers()
    monkeypatch.delenv(variable)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    one = judge(next(name for name in HOSTED if name.partition(":")[0].upper() in variable))
    one.check([])
    for call in (one.check_access, lambda: ask(one)):
        with pytest.raises((BadRequest, JudgeUnable), match=rf"There is no key for .*\. Set {variable}"):
            call()
    monkeypatch.setenv(variable, "two words")
    with pytest.raises(BadRequest, match="cannot be a key"):
        one.check_access()
    assert fake.book.entries == []


def test_many_are_asked_at_once_and_each_answer_belongs_to_its_question(providers: Start, judge: Make) -> None:
    fake = providers(Scene(judge=KNOWN, delay=0.05, jitter=0.05))
    one = judge()
    questions = [
        question(
            f"Text {n}. ability: {9 if n % 2 else -9}", f"Other {n}. ability: 0", call_id=f"c{n}", request_id=f"r{n}"
        )
        for n in range(128)
    ]
    with ThreadPoolExecutor(one.concurrency) as pool:
        answers = [answer for [answer] in pool.map(lambda asked: one.ask([asked]), questions)]
    assert [answer.request_id for answer in answers] == [asked.request_id for asked in questions]
    assert [answer.winner for answer in answers] == ["first" if n % 2 else "second" for n in range(128)]
    assert fake.traffic.peak > 32 if hasattr(fake.traffic, "peak") else True


def test_rate_limits_are_kept_by_what_refusals_say(providers: Start, judge: Make) -> None:
    providers(Scene(judge=KNOWN, limits=Limits(requests=1)))
    one = judge()
    assert ask(one).kind == "verdict"
    with pytest.raises(JudgeUnable, match="asks for fewer requests") as unable:
        ask(one, WORSE, BETTER)
    assert unable.value.retry_after is not None
    assert 50 < unable.value.retry_after < 70
    assert judge(requests_per_minute=5).concurrency == 5


def test_several_questions_in_one_ask_are_answered_in_their_order(providers: Start, judge: Make) -> None:
    fake = providers(Scene(judge=KNOWN, rules="key at 2"))
    one = judge()
    answers = one.ask([question(BETTER, WORSE, request_id=f"r{n}") for n in range(3)])
    assert [answer.request_id for answer in answers] == ["r0", "r1", "r2"]
    assert [answer.kind for answer in answers] == ["verdict", "failed", "failed"]
    assert len(fake.book.entries) == 2


def test_a_text_that_does_not_fit_is_refused_before_money_is_spent(judge: Make) -> None:
    one = judge("openai:gpt-4o")
    one.check_texts({"a": "word " * 1_000, "b": "word " * 1_000})
    with pytest.raises(BadRequest, match=r"The text 'long' is too long for openai:gpt-4o: .* takes 128,000\."):
        one.check_texts({"a": "short", "long": "word " * 200_000})
    judge("openai:nobody-knows").check_texts({"long": "word " * 200_000})


def test_prompts_and_estimates_need_no_key_and_ask_nobody(judge: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    one = judge("openai:gpt-4o")
    asked = question(BETTER, WORSE)
    assert BETTER in one.prompt(asked).first
    tokens, worst = one.estimate(asked)
    assert 300 < tokens < 2_000
    assert worst is not None
    assert 0.01 < worst < 0.2


@EVERY
def test_effort_and_length_are_said_in_each_providers_words(provider: str, providers: Start, judge: Make) -> None:
    card = Card("judge-1", reasoning=True, thinking_tokens=50)
    fake = providers(Scene(judge=KNOWN, cards=[card, Card("vendor/judge-1", reasoning=True)]))
    answer = ask(judge(named(provider, fake), effort="low", max_output_tokens=900))
    assert answer.winner == "first"


def test_a_file_of_prices_gives_each_call_its_cost(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = providers(Scene(judge=KNOWN))
    card = Card("judge-1")
    own = {"input": card.input, "cached": card.cached, "written": card.cache_write, "output": card.output}
    names = [name for name in HOSTED if "/" not in name]
    (tmp_path / "prices.json").write_text(json.dumps(dict.fromkeys(names, own)), encoding="utf-8")
    monkeypatch.setenv("PAIRMARK_PRICES", str(tmp_path / "prices.json"))
    text = "A long text about cats. " * 400 + "ability: 9"
    costs = [ask(judge(name), text, WORSE + str(n), f"{name}{n}").cost for name in names for n in range(3)]
    assert costs == pytest.approx([entry.charged for entry in fake.book.entries])
    assert all(costs)
    assert fake.book.cached_share() > 0.3, "the first text and what stands before it is cached everywhere"


def test_closing_ends_what_is_in_flight_and_the_thread(providers: Start, judge: Make) -> None:
    fake = providers(Scene(rules="hang"))
    one = judge(timeout=60)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(ask, one) for _ in range(4)]
        while len(fake.book.entries) < 4:
            pass
        one.close()
        answers = [future.result(timeout=10) for future in futures]
    assert {answer.kind for answer in answers} == {"failed"}
    assert {answer.call.cost for answer in answers if answer.call} == {None}
    one.close()
    assert ask(one).kind == "failed", "nothing is asked of a closed judge"


@pytest.mark.parametrize("package", ["pydantic_ai", "anthropic"])
def test_a_missing_extra_is_named_with_its_remedy(package: str, judge: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "find_spec", lambda name: None if name == package else True)
    one = judge("anthropic:judge-1")
    for call in (lambda: one.check([]), lambda: ask(one)):
        with pytest.raises(
            (BadRequest, JudgeUnable), match=r"not installed\. Install it with pip install 'pairmark\[llm\]'\."
        ):
            call()
