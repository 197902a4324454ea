"""What a result can be traced back to: versions, judges, rubric and prompt by their hashes, seed, input."""

import platform
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pairmark
from pairmark.bootstrap import System
from pairmark.errors import BadRequest
from pairmark.judges.llm.config import LlmConfig
from pairmark.judges.spec import parse_judge
from pairmark.services.assessment.queries import StoredResult


def provenance(system: System, stored: StoredResult) -> dict[str, Any]:
    """Names and values, in the order they are shown."""
    import numpy  # noqa: PLC0415 - slow to import
    import scipy  # noqa: PLC0415

    batch = stored.batch
    with system.database.transaction("assessment") as tx:
        server = tx.info.server_version
    return {
        "pairmark": pairmark.__version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "postgresql": f"{server // 10000}.{server % 10000}",
        **_judge(batch.design.judge),
        "judge_digest": batch.design.judge_digest,
        "seed": batch.design.seed,
        "generation": batch.generation,
        "input_digest": stored.input_digest or "",
        "requested_at": batch.created_at.isoformat(),
        "finished_at": batch.finished_at.isoformat() if batch.finished_at else "",
    }


def _judge(canonical: str) -> dict[str, str]:
    """The judge by its name, and what models were told by its hash: rubric and task themselves may be long."""
    try:
        spec = parse_judge(canonical)
    except BadRequest:  # of another version, or its votes are gone: as it is stored
        return {"judge": canonical}
    return {"judge": spec.label if spec.models else canonical} | dict(_told(spec.models[0]) if spec.models else ())


def _told(config: LlmConfig) -> Iterator[tuple[str, str]]:
    """What all models of a batch share."""
    yield "rubric_sha256", sha256(config.rubric.encode()).hexdigest()
    if config.task:
        yield "task_sha256", sha256(config.task.encode()).hexdigest()
    yield "prompt_version", str(config.prompt_version)
    yield "prompt_sha256", _prompt_hash(config)
    for name in ("language", "effort"):
        value = getattr(config, name)
        if value:
            yield name, str(value)
    yield "max_output_tokens", str(config.max_output_tokens)
    if config.batch:
        yield "asked", "in the provider's batches"
    if config.local_only:
        yield "models", "on this machine only"


def _prompt_hash(config: LlmConfig) -> str:
    """The instructions as they were sent, without the texts."""
    from pairmark.judges.llm.prompt import Prompts  # noqa: PLC0415 - only for models

    return sha256(Prompts(config).system.encode()).hexdigest()
