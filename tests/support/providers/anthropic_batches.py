"""Anthropic's Message Batches: requests in one body, results as lines, in any order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from support.providers.asked import Dialect, Refused, bad, reading
from support.providers.http import Reply, Request, as_json
from support.providers.jobs import Job, Jobs, Line, Result

REQUESTS, SIZE = 100_000, 256_000_000
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
STATES = {"running": "in_progress", "cancelling": "canceling", "ended": "ended"}


class AnthropicBatches:
    """What stands below /v1/messages/batches. `address` is where the results are, as a URL."""

    def __init__(self, jobs: Jobs, dialect: Dialect, address: Callable[[], str]) -> None:
        self._jobs, self._dialect, self._address = jobs, dialect, address

    def handle(self, request: Request, parts: list[str]) -> Reply:
        """Answer a request; `parts` is what follows `batches` in the path."""
        if not parts:
            if request.method == "POST":
                with reading():
                    return as_json(self._told(self._create(request)))
            told = [self._told(job) for job in self._jobs.all(self._dialect)]
            return as_json({"data": told, "has_more": False, "first_id": None, "last_id": None})
        job = self._jobs.find(parts[0], self._dialect.provider)
        if job is None:
            raise Refused(404, "no batch", f"No batch found with ID {parts[0]}")
        if parts[1:] == ["cancel"]:
            return as_json(self._told(self._jobs.cancel(job)))
        if parts[1:] == ["results"]:
            if job.state != "ended":
                raise bad("The batch has not ended; its results are not available yet.")
            content = b"".join(msgspec.json.encode(line_of(job, result)) + b"\n" for result in job.results)
            return Reply(200, content, {"content-type": "application/x-jsonl"})
        return as_json(self._told(self._jobs.look(job)))

    def _create(self, request: Request) -> Job:
        body = request.json()
        requests = body.get("requests") if isinstance(body, dict) else None
        if not isinstance(requests, list) or not requests:
            raise bad("requests: Field required")
        if len(requests) > REQUESTS or len(request.body) > SIZE:
            raise Refused(413, "too large", f"A batch holds at most {REQUESTS} requests and {SIZE} bytes.")
        lines = [read(place, one) for place, one in enumerate(requests)]
        if len({line.custom_id for line in lines}) < len(lines):
            raise bad("requests: custom_id must be unique within a batch")
        return self._jobs.create(self._dialect, lines, "msgbatch_{:04d}")

    def _told(self, job: Job) -> dict[str, Any]:
        ended = job.state == "ended"
        created = datetime.fromtimestamp(job.created, UTC)
        unrun = len(job.lines) - job.count("answered") - job.count("refused") if ended else 0
        counts = {
            "processing": 0 if ended else len(job.lines),
            "succeeded": job.count("answered"),
            "errored": job.count("refused"),
            "canceled": unrun if job.ends == "cancelled" else 0,
            "expired": unrun if job.ends != "cancelled" else 0,
        }
        told = {
            "id": job.identity,
            "type": "message_batch",
            "processing_status": STATES[job.state],
            "request_counts": counts,
        }
        told |= {"created_at": created.isoformat(), "expires_at": (created + timedelta(days=1)).isoformat()}
        told |= {"ended_at": datetime.now(UTC).isoformat() if ended else None, "archived_at": None}
        told |= {
            "cancel_initiated_at": created.isoformat() if job.ends == "cancelled" or job.state == "cancelling" else None
        }
        return told | {
            "results_url": f"{self._address()}/v1/messages/batches/{job.identity}/results" if ended else None
        }


def read(place: int, request: object) -> Line:
    """One request of a batch; its parameters are checked when it runs, as Anthropic does."""
    if not isinstance(request, dict) or request.keys() != {"custom_id", "params"}:
        raise bad(f"requests.{place}: custom_id and params are required, and nothing else")
    if not isinstance(request["custom_id"], str) or not CUSTOM_ID.fullmatch(request["custom_id"]):
        raise bad(f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    if not isinstance(request["params"], dict):
        raise bad(f"requests.{place}.params: Input should be an object")
    return Line(request["custom_id"], request["params"])


def line_of(job: Job, result: Result) -> dict[str, Any]:
    """A line of the results."""
    if result.answer is None:
        kind: dict[str, Any] = {"type": "canceled" if job.ends == "cancelled" else "expired"}
    elif result.answer.status == 200:
        kind = {"type": "succeeded", "message": result.answer.body}
    else:
        kind = {"type": "errored", "error": result.answer.body}
    return {"custom_id": result.custom_id, "result": kind}
