"""Providers whose models judge in jobs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pairmark.storage import faults
from support.in_jobs import MODELS
from support.over_http import lead_to, scene
from support.providers import BatchPlan, FakeProviders


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., FakeProviders]]:
    """Starts fake providers that go by this plan, and leads every client there."""
    started: list[FakeProviders] = []

    def start(rules: str = "", plan: BatchPlan | None = None, **fields: Any) -> FakeProviders:
        fake = FakeProviders(scene(rules, cards=list(MODELS.values()), batch=plan or BatchPlan(), **fields)).start()
        started.append(fake)
        lead_to(fake.environment(), monkeypatch, tmp_path)
        prices = {
            f"{name}:{card.name}": {
                "input": card.input,
                "cached": card.cached,
                "written": card.cache_write,
                "output": card.output,
            }
            for name, card in MODELS.items()
        }
        (tmp_path / "prices.json").write_text(json.dumps(prices))
        return fake

    yield start
    faults.install(None)
    for fake in started:
        fake.close()
        assert fake.faults == []
