"""Calls of a language model, 64 in flight against providers that answer in half a second, in a process of their own.

End to end: planned, written down, asked over HTTP, recorded, called back and counted, with an ordinary client library.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.durable import durable_system, fresh_home
from support.hostile import essays_of
from support.in_jobs import ALL, MODELS
from support.model_batches import submit_texts
from support.over_http import JUDGE, lead_to, scene
from support.providers import FakeProviders
from support.providers.process import ProvidersProcess
from support.system import books

pytestmark = pytest.mark.benchmark

ESSAYS, COMPARISONS, DELAY, IN_FLIGHT = 120, 3_000, 0.5, 64
MEASURED = Path(__file__).parents[1] / "support" / "model_calls.py"


def test_calls_of_a_language_model(record, monkeypatch, tmp_path):
    pytest.importorskip("pydantic_ai")
    with fresh_home() as home, ProvidersProcess(tmp_path, scene(delay=DELAY)) as providers:
        lead_to(providers.environment, monkeypatch, tmp_path)
        path = {"PYTHONPATH": str(MEASURED.parents[1]), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, str(MEASURED), str(ESSAYS), str(COMPARISONS), JUDGE, str(home)]
        ran = subprocess.run(command, env=os.environ | path, capture_output=True, text=True, check=True, timeout=600)
        charged = sum(entry.charged for entry in providers.entries())
    told = json.loads(ran.stdout.splitlines()[-1])
    limit = IN_FLIGHT / DELAY
    what = f"verdicts of a language model, {IN_FLIGHT} calls in flight of {DELAY:g} s each"
    record(what, told["per_second"], "/s", at_least=115, peer=limit, against="all calls in flight all the time")
    against = "our process, client library included; the providers run in their own"
    record("CPU time of a verdict of a language model", told["cpu_ms"], "ms", at_most=6, against=against)
    record("memory added by language models", told["added_mebibytes"], "MiB", at_most=200, against=against)
    assert told["counted"] == COMPARISONS
    assert told["spent"] == pytest.approx(charged)


@pytest.mark.parametrize("provider", ALL)
def test_what_providers_keep(record, monkeypatch, tmp_path, provider):
    """By the rules that the providers tell: whole steps of 128 tokens, or marked blocks, from 1,024 tokens on."""
    pytest.importorskip("pydantic_ai")
    card = MODELS[provider]
    with durable_system() as system, FakeProviders(scene(delay=0.01, cards=[card])) as providers:
        lead_to(providers.environment(), monkeypatch, tmp_path)
        ticket = submit_texts(
            system, essays_of(ESSAYS), f"{provider}:{card.name}", stability_threshold=0.0, budget=1_000
        )
        system.drain()
        share = providers.book.cached_share()
        assert books(system.database, ticket).status == "COMPLETE_MAX_COMPARISONS"
    record(
        f"input tokens that {provider} reads from its cache, of the order in which we call",
        share,
        "",
        at_least=0.3,
        against=f"1,000 calls about {ESSAYS} essays of 400 words",
    )
