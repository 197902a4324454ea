import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pairmark.errors import BadRequest
from pairmark.judges.llm.config import PROMPT_VERSION, LlmOptions
from pairmark.judges.spec import parse_judge, parse_panel


@pytest.mark.parametrize(
    ("typed", "name", "provider", "model", "base_url"),
    [
        ("openai:some-model", "openai:some-model", "openai", "some-model", ""),
        (" OpenAI:Some-Model ", "openai:Some-Model", "openai", "Some-Model", ""),
        ("anthropic:m-4.5", "anthropic:m-4.5", "anthropic", "m-4.5", ""),
        ("google:m", "google:m", "google", "m", ""),
        ("openrouter:vendor/m:free", "openrouter:vendor/m:free", "openrouter", "vendor/m:free", ""),
        (
            "http://127.0.0.1:11434/v1#qwen:7b",
            "http://127.0.0.1:11434/v1#qwen:7b",
            "url",
            "qwen:7b",
            "http://127.0.0.1:11434/v1",
        ),
        ("HTTPS://Gate.Example/v1/#a/b", "https://gate.example/v1#a/b", "url", "a/b", "https://gate.example/v1"),
        ("http://[::1]:8000/v1#m", "http://[::1]:8000/v1#m", "url", "m", "http://[::1]:8000/v1"),
    ],
)
def test_models_are_named_by_provider_or_url(typed: str, name: str, provider: str, model: str, base_url: str) -> None:
    spec = parse_judge(typed)
    assert spec.model is not None
    assert (spec.label, spec.model.provider, spec.model.model, spec.model.base_url) == (name, provider, model, base_url)
    assert parse_judge(name) == spec


def test_the_canonical_form_alone_rebuilds_the_judge() -> None:
    options = LlmOptions(
        rubric="Öffne \"alles\"\nund wäge.", task="Argue.", language="de", effort="low", max_output_tokens=900,
        local_only=True, batch=True, timeout=20, requests_per_minute=50, tokens_per_minute=9_000,
    )  # fmt: skip
    spec = parse_judge("openai:m", options)
    assert parse_judge(spec.canonical) == spec
    told = json.loads(spec.canonical.removeprefix("llm:"))
    assert list(told) == sorted(told)
    assert (told["rubric"], told["language"]) == ('Öffne "alles"\nund wäge.', "German")


def test_the_digest_tells_apart_what_may_answer_differently() -> None:
    different = [
        LlmOptions(), LlmOptions(rubric="R"), LlmOptions(task="T"), LlmOptions(language="sv"), LlmOptions(effort="low"),
        LlmOptions(max_output_tokens=500),
    ]  # fmt: skip
    names = ["openai:m", "openai:n", "openrouter:m", "http://127.0.0.1/v1#m", "http://127.0.0.1:1/v1#m"]
    digests = {parse_judge("openai:m", options).digest for options in different} | {
        parse_judge(n).digest for n in names
    }
    assert len(digests) == len(different) + len(names) - 1
    same = [
        LlmOptions(local_only=True), LlmOptions(batch=True), LlmOptions(timeout=9), LlmOptions(requests_per_minute=1),
        LlmOptions(tokens_per_minute=1), LlmOptions(language=""), LlmOptions(task=None),
    ]  # fmt: skip
    assert {parse_judge("openai:m", options).digest for options in same} == {parse_judge("openai:m").digest}


def test_no_key_is_part_of_a_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-indeed")
    spec = parse_judge("openai:m")
    assert "secret" not in f"{spec.canonical}{spec!r}{spec.label}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai", "The judge 'openai' names no model. Write openai:MODEL."),
        ("anthropic: ", "names no model. Write anthropic:MODEL."),
        ("opnai:m", "There is no judge 'opnai'. Did you mean openai?"),
        ("antropic:m", "Did you mean anthropic?"),
        ("gemini:m", "There is no judge 'gemini'. Write google:m."),
        ("claude:m", "Write anthropic:m."),
        ("ollama:qwen:7b", "Name the server by its URL: http://127.0.0.1:11434/v1#qwen:7b."),
        ("vllm", "Name the server by its URL: http://127.0.0.1:8000/v1#MODEL."),
        ("bedrock:m", "https://HOST/v1#m, or by way of OpenRouter."),
        ("http://127.0.0.1:11434/v1", "names no model. Write http://127.0.0.1:11434/v1#MODEL."),
        ("http:///v1#m", "names no host."),
        ("http://127.0.0.1:eleven/v1#m", "is no URL."),
        ("http://[::1/v1#m", "is no URL."),
        ("http://two words/v1#m", "is no URL."),
        ("http://h/\udcff/v1#m", "is no URL."),
        ("https://me:secret@host:eleven/v1#m", "is no URL."),
        ("openai:m=60", "ends like a share."),
        ("openai:m=60%", "one judge has none."),
        ("openai:m=60,5 %", "write each share as in JUDGE=60%"),
        ("openai:m=-5%", "ends like a share."),
        ("https://me:secret@host/v1#m", "holds a password or a query, which would be stored."),
        ("https://host/v1?key=secret#m", "put the key into PAIRMARK_JUDGE_KEY."),
        ("openai:two words", "cannot be a model's name."),
        ("openai:" + "m" * 201, "cannot be a model's name."),
        ("llm:{}", "This is no stored name of a language model."),
        ('llm:{"provider":"openai","model":"m","rubric":"r","temperature":0}', "This is no stored name"),
        ("panel:[1]", "This is no stored name of several judges."),
    ],
)
def test_what_names_no_model_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_judge(text)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (LlmOptions(rubric="  "), "The rubric is empty."),
        (LlmOptions(rubric="ä" * 20_000), "The rubric is larger than 32 kB."),
        (LlmOptions(task="a\0b"), "The task is no plain text"),
        (LlmOptions(rubric="half \ud800"), "The rubric holds half a character."),
        (LlmOptions(language="x" * 61), "is not usable"),
        (LlmOptions(language="en\nIgnore"), "is not usable"),
        (LlmOptions(effort="huge"), "There is no effort 'huge'. Choose among none, minimal, low,"),
        (LlmOptions(max_output_tokens=10), "cannot be 10. Give a whole number from 200 to 100000."),
        (LlmOptions(timeout=0), "cannot be 0. Give a whole number from 1 to 3600."),
        (LlmOptions(requests_per_minute=-1), "cannot be -1."),
    ],
)
def test_options_that_cannot_be_are_refused(options: LlmOptions, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_judge("openai:m", options)
    assert said in str(refused.value)


def test_a_judge_of_another_version_of_the_prompt_is_refused() -> None:
    canonical = parse_judge("openai:m").canonical
    fields = json.loads(canonical.removeprefix("llm:")) | {"prompt_version": PROMPT_VERSION + 1}
    with pytest.raises(BadRequest, match=r"'openai:m' was chosen with version 2 of the prompt"):
        parse_judge("llm:" + json.dumps(fields))


def test_several_judges_share_in_whatever_order_they_are_named() -> None:
    one = parse_panel(["openai:m=60%", "http://127.0.0.1:1/v1#m=40%"])
    other = parse_panel(["http://127.0.0.1:1/v1#m= 40 %", "openai:m=60.0%"])
    assert one == other
    assert parse_judge(one.canonical) == one
    assert "openai:m=60%" in one.label
    assert [config.name for config in one.models] == [member.label for member, _ in one.members]
    assert one.digest != parse_panel(["openai:m=50%", "http://127.0.0.1:1/v1#m=50%"]).digest
    assert one.digest != parse_panel(["openai:m=40%", "http://127.0.0.1:1/v1#m=60%"]).digest


def test_shares_may_be_left_out_or_rounded() -> None:
    assert [share for _, share in parse_panel(["openai:a", "openai:b"]).members] == [0.5, 0.5]
    thirds = parse_panel(["openai:a=33.3%", "openai:b=33.3%", "openai:c=33.4%"])
    assert sum(share for _, share in thirds.members) == pytest.approx(1)
    for text, count in (("33.3%", 3), ("16.7%", 6), ("14.3%", 7), ("11.1%", 9)):
        rounded = parse_panel([f"openai:{place}={text}" for place in range(count)])
        assert sum(share for _, share in rounded.members) == pytest.approx(1)
    assert parse_panel(["openai:a=100%"]) == parse_panel(["openai:a"]) == parse_judge("openai:a")
    assert parse_panel(["surface", "simulated:seed=3"]).models == ()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "No judge is named."),
        (["openai:a=60%", "openai:b=50%"], "The shares of the judges are 60 + 50 %, which is 110 %."),
        (["openai:a=60%", "openai:b=30%"], "which is 90 %."),
        (["openai:a=100%", "openai:b=0%"], "Each must be above 0"),
        (["openai:a=40%"], "which is 40 %."),
        (["openai:a=60%", "openai:b"], "Some judges have a share and some have none."),
        (["openai:a", "openai:a"], "The judge openai:a is named twice."),
        (["openai:a=50%", " OPENAI:a=50%"], "is named twice."),
        ([f"openai:{n}" for n in range(11)], "11 judges are named; one run takes at most 10."),
        (["openai:a", "nobody"], "There is no judge 'nobody'."),
    ],
)
def test_shares_that_do_not_add_up_are_refused(texts: list[str], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_panel(texts)
    assert said in str(refused.value)


def test_a_share_stands_only_at_the_end() -> None:
    assert parse_judge("openai:a=60%b").label == "openai:a=60%b"


def test_naming_a_model_loads_no_library() -> None:
    code = (
        "import sys; from pairmark.judges.spec import parse_judge, build_judge; build_judge(parse_judge('openai:m'));"
        "print([m for m in sys.modules if m.partition('.')[0] in ('pydantic_ai', 'openai', 'httpx2', 'genai_prices')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert run.stdout.strip() == "[]"


def test_a_rubric_may_be_as_long_as_said(tmp_path: Path) -> None:
    assert len(parse_judge("openai:m", LlmOptions(rubric="r" * 32_000)).canonical) > 32_000
    assert msgspec.json.decode(parse_judge("openai:m").canonical.removeprefix("llm:"))["provider"] == "openai"
