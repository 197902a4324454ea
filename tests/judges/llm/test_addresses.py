"""Where a model judge may go, and that no key gets out of it."""

import logging
import socket
from collections.abc import Callable
from threading import Thread

import httpx2
import pytest

from pairmark.errors import BadRequest
from pairmark.judges.llm.judge import LanguageModelJudge
from pairmark.judges.llm.provider import scrub
from pairmark.judges.question import JudgeUnable
from support.models import HOSTED, KNOWN, ask, named
from support.providers import FakeProviders, Scene

Start = Callable[..., FakeProviders]
Make = Callable[..., LanguageModelJudge]

EVERY = pytest.mark.parametrize("provider", [*HOSTED, "url"])


@EVERY
@pytest.mark.parametrize("rules", ["", "key", "500", "blocked", "429", "no_schema", "invalid"])
def test_keys_appear_nowhere(
    rules: str,
    provider: str,
    providers: Start,
    judge: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "sk-proj-Zm9vYmFyYmF6cXV4"
    keys = dict.fromkeys(("openai", "openrouter", "anthropic", "google", "local"), secret)
    fake = providers(Scene(rules=rules, keys=keys))
    monkeypatch.setenv("PAIRMARK_JUDGE_KEY", secret)
    one = judge(named(provider, fake), timeout=1)
    told: list[object] = [one, vars(one), one.config, one.config.canonical]
    try:
        told.append(ask(one))
    except JudgeUnable as unable:
        told += [unable, unable.__cause__, unable.__context__, unable.remedy]
    assert secret not in "".join(f"{thing} {thing!r}" for thing in told)
    assert secret not in caplog.text


def test_a_key_that_a_provider_repeats_is_taken_out(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "an-odd-looking-key")
    said = scrub("Incorrect API key: sk-abc***xyz1, an-odd-looking-key; Bearer abc.def; https://me:pw@proxy:1/")
    assert said == "Incorrect API key: …, …; … https://…" or (
        "an-odd" not in said and "pw" not in said and "abc" not in said
    )


def test_a_redirection_is_not_followed(judge: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_redirect, args=(server,), daemon=True).start()
        one = judge(f"http://127.0.0.1:{server.getsockname()[1]}/v1#m")
        with pytest.raises(JudgeUnable, match="answers with another address, which is not followed"):
            ask(one)


def _redirect(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.recv(100_000)
    connection.sendall(b"HTTP/1.1 307 Elsewhere\r\nLocation: http://192.0.2.1/v1\r\nContent-Length: 0\r\n\r\n")
    connection.close()


@pytest.mark.parametrize(
    "name", ["openai:m", "anthropic:m", "google:m", "openrouter:m", "http://192.0.2.1/v1#m", "https://example.org/v1#m"]
)
def test_a_judge_held_to_this_machine_refuses_addresses_elsewhere(
    name: str, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI", "ANTHROPIC", "GOOGLE", "OPENROUTER"):
        monkeypatch.setenv(f"{variable}_API_KEY", "key-of-somebody")
        monkeypatch.delenv(f"{variable}_BASE_URL", raising=False)
    one = judge(name, local_only=True)
    with pytest.raises(BadRequest, match="texts must not leave this machine"):
        one.check([])
    with pytest.raises(JudgeUnable, match="texts must not leave this machine"):
        ask(one)


@EVERY
def test_a_judge_held_to_this_machine_may_ask_a_server_on_it(provider: str, providers: Start, judge: Make) -> None:
    fake = providers(Scene(judge=KNOWN))
    assert ask(judge(named(provider, fake), local_only=True)).winner == "first"
    if provider == "url":
        assert ask(judge(f"http://localhost:{fake.port}/v1#judge-1", local_only=True)).winner == "first"


def test_a_name_that_leads_elsewhere_is_refused_before_a_byte_is_sent(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = providers(Scene(judge=KNOWN))
    one = judge(f"http://models.localhost:{fake.port}/v1#judge-1", local_only=True)
    places = [("192.0.2.1", 0), ("127.0.0.1", 0)]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", p) for p in places]
    )
    with pytest.raises(JudgeUnable, match=r"is at models\.localhost, and texts must not leave this machine"):
        ask(one)
    assert fake.book.entries == []


def test_proxies_of_the_environment_are_used_except_by_a_judge_held_to_this_machine(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = providers(Scene(judge=KNOWN))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, fake.address)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert ask(judge(f"http://127.0.0.1:{fake.port}/v1#judge-1", local_only=True)).winner == "first"
    monkeypatch.delenv("PAIRMARK_JUDGE_KEY", raising=False)
    far = judge("http://models.invalid/v1#judge-1")
    assert ask(far, call_id="by way of the proxy").winner == "first", "no other than the proxy is at that address"
    assert len(fake.book.of("by way of the proxy")) == 1
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(JudgeUnable, match="cannot be reached"):
        ask(judge("http://models.invalid/v1#judge-1", timeout=2))


def test_a_server_on_this_machine_is_asked_directly_and_its_key_shown_to_no_proxy(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, proxy = providers(Scene(judge=KNOWN)), FakeProviders(Scene(judge=KNOWN)).start()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAIRMARK_JUDGE_KEY", "key-of-somebody")
    try:
        ask(judge(f"http://127.0.0.1:{fake.port}/v1#judge-1"))
        assert (len(fake.book.entries), len(proxy.book.entries)) == (1, 0)
    finally:
        proxy.close()


@pytest.mark.parametrize("provider", ["openrouter:vendor/judge-1", "url"])
def test_what_the_environment_has_for_openai_goes_to_nobody_else(
    provider: str, providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = providers(Scene(judge=KNOWN))
    given = {"OPENAI_ORG_ID": "org-of-mine", "OPENAI_PROJECT_ID": "project-of-mine"}
    headers = "X-Gateway: gateway-of-mine\nAuthorization: Bearer login-of-mine"
    for name, value in {**given, "OPENAI_CUSTOM_HEADERS": headers}.items():
        monkeypatch.setenv(name, value)
    one = judge(named(provider, fake))
    sent: list[httpx2.Headers] = []
    connection, _ = one._connected()

    async def seen(request: httpx2.Request) -> None:
        sent.append(request.headers)

    for lane in connection.lanes:
        lane.client.event_hooks = {**lane.client.event_hooks, "request": [seen]}
    assert ask(one).winner == "first"
    assert sent
    assert "of-mine" not in str(sent[0].raw)


@pytest.mark.parametrize("held", ["http://[::1", "http://h:abc/v1", "http://h:99999/v1", "ftp://h/v1", "h/v1"])
def test_an_address_in_the_environment_that_is_none_is_told_in_words(
    held: str, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-somebody")
    monkeypatch.setenv("OPENAI_BASE_URL", held)
    with pytest.raises(BadRequest, match="What OPENAI_BASE_URL holds is no URL"):
        judge("openai:m", local_only=True).check([])
    with pytest.raises(JudgeUnable, match="What OPENAI_BASE_URL holds is no URL"):
        ask(judge("openai:m"))


def test_a_server_that_listens_at_the_second_address_of_its_name_is_found(
    providers: Start, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = providers(Scene(judge=KNOWN))
    places = [("127.0.0.2", 0), ("127.0.0.1", 0)]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", p) for p in places]
    )
    assert ask(judge(f"http://localhost:{fake.port}/v1#judge-1", local_only=True)).winner == "first"


@pytest.mark.parametrize(
    ("name", "variable", "base"),
    [
        ("http://models.example.org/v1#m", "PAIRMARK_JUDGE_KEY", ""),
        ("http://192.0.2.1:8000/v1#m", "PAIRMARK_JUDGE_KEY", ""),
        ("openai:m", "OPENAI_API_KEY", "http://gateway.example.org/v1"),
        ("anthropic:m", "ANTHROPIC_API_KEY", "http://gateway.example.org"),
    ],
)
def test_a_key_does_not_travel_in_the_clear(
    name: str, variable: str, base: str, judge: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "key-of-somebody")
    if base:
        monkeypatch.setenv(variable.replace("API_KEY", "BASE_URL"), base)
    one = judge(name)
    with pytest.raises(BadRequest, match="over http, where anybody on the way can read it") as refused:
        one.check_access()
    assert "somebody" not in str(refused.value)
    with pytest.raises(JudgeUnable, match="over http"):
        ask(one)
    for safe in ("https://models.example.org/v1#m", "http://127.0.0.1:11434/v1#m", "http://localhost:11434/v1#m"):
        judge(safe).check_access()


def test_without_a_key_a_server_may_be_asked_over_http(judge: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAIRMARK_JUDGE_KEY", raising=False)
    judge("http://models.example.org/v1#m").check_access()
