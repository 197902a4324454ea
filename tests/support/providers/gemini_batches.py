"""Google's batches: requests inline or in a file, and the files themselves with their upload in two steps.

A job of which part failed has succeeded: the Gemini API has no state between, unlike Google's cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from support.providers.asked import Dialect, Refused, bad
from support.providers.gemini import camels
from support.providers.http import Reply, Request, as_json
from support.providers.jobs import Job, Jobs, Line, Result
from support.providers.openai_batches import File, Files

INLINE, SIZE = 20_000_000, 2_000_000_000
STATES = {
    "completed": "BATCH_STATE_SUCCEEDED",
    "failed": "BATCH_STATE_FAILED",
    "cancelled": "BATCH_STATE_CANCELLED",
    "expired": "BATCH_STATE_EXPIRED",
}
RPC = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 499: 1, 500: 13, 503: 14, 504: 4}
KIND = "type.googleapis.com/google.ai.generativelanguage.v1main."


class GeminiBatches:
    """What stands below /batches and /files, and :batchGenerateContent."""

    def __init__(self, jobs: Jobs, dialect: Dialect, address: Callable[[], str]) -> None:
        self._jobs, self._dialect, self._address = jobs, dialect, address
        self.files = Files("files/{:06d}")
        self._uploads: dict[str, str] = {}

    def create(self, request: Request, model: str) -> Reply:
        """Begin a job."""
        body = request.json()
        batch = camels(body.get("batch") or {}) if isinstance(body, dict) else {}
        source = camels(batch.get("inputConfig") or {})
        if not batch.get("displayName"):
            raise bad("* BatchGenerateContentRequest.batch.display_name: display_name is required")
        if ("fileName" in source) == ("requests" in source):
            raise bad("* BatchGenerateContentRequest.batch.input_config: one of file_name and requests is required")
        if "requests" in source:
            if len(request.body) > INLINE:
                raise bad("Request payload size exceeds the limit: 20971520 bytes.")
            lines = [
                self._inline(place, one, model) for place, one in enumerate(source["requests"].get("requests", []))
            ]
        else:
            lines = self._from_file(str(source["fileName"]), model)
        if not lines:
            raise bad("* BatchGenerateContentRequest.batch: there are no requests")
        job = self._jobs.create(self._dialect, lines, "batches/{:06d}")
        job.told = {"model": f"models/{model}", "name": batch["displayName"], "inline": "requests" in source}
        return as_json(self._told(job))

    def _inline(self, place: int, one: object, model: str) -> Line:
        if not isinstance(one, dict) or not isinstance(one.get("request"), dict):
            raise bad(f"* batch.input_config.requests.requests[{place}].request: request is required")
        key = (one.get("metadata") or {}).get("key", str(place))
        return Line(str(key), {**one["request"], "model": model})

    def _from_file(self, name: str, model: str) -> list[Line]:
        content = self.files.find(name).content
        lines = []
        for number, text in enumerate(filter(None, content.split(b"\n")), start=1):
            line = msgspec.json.decode(text)
            if not isinstance(line, dict) or "key" not in line or not isinstance(line.get("request"), dict):
                raise bad(f"Line {number} of the file must have a key and a request.")
            lines.append(Line(str(line["key"]), {**line["request"], "model": model}))
        return lines

    def handle(self, request: Request, name: str, verb: str) -> Reply:
        """Look at a job, cancel it, or delete it."""
        job = self._jobs.find(name, self._dialect.provider)
        if job is None:
            raise Refused(404, "no batch", "Requested entity was not found.")
        if verb == "cancel":
            self._jobs.cancel(job)
            return as_json({})
        return as_json({} if request.method == "DELETE" else self._told(self._jobs.look(job)))

    def listed(self) -> Reply:
        """All jobs, the newest first."""
        return as_json({"operations": [self._told(job) for job in self._jobs.all(self._dialect)]})

    def _told(self, job: Job) -> dict[str, Any]:
        ended = job.state == "ended"
        now, created = datetime.now(UTC).isoformat(), datetime.fromtimestamp(job.created, UTC).isoformat()
        state = STATES[job.ends] if ended else "BATCH_STATE_RUNNING"
        done = job.count("answered") + job.count("refused")
        stats = {"requestCount": str(len(job.lines)), "successfulRequestCount": str(job.count("answered"))}
        stats |= {"failedRequestCount": str(job.count("refused")), "pendingRequestCount": str(len(job.lines) - done)}
        metadata: dict[str, Any] = {"@type": f"{KIND}GenerateContentBatch", "name": job.identity, "state": state}
        metadata |= {"model": job.told["model"], "displayName": job.told["name"], "batchStats": stats}
        metadata |= {"createTime": created, "updateTime": now, **({"endTime": now} if ended else {})}
        told: dict[str, Any] = {"name": job.identity, "metadata": metadata}
        if ended and job.ends == "failed":
            told |= {"done": True, "error": {"code": 13, "message": "The batch failed."}}
        elif ended:
            output = self._output(job)
            metadata |= {"output": output} if output else {}
            told |= {"done": True, "response": {"@type": f"{KIND}GenerateContentBatchOutput", **output}}
        return told

    def _output(self, job: Job) -> dict[str, Any]:
        if job.ends in {"expired", "cancelled"} and not job.count("answered"):
            return {}
        if job.told["inline"]:
            places = {line.custom_id: place for place, line in enumerate(job.lines)}
            results = sorted(job.results, key=lambda result: places.get(result.custom_id, 0))
            told = [{**self._result(result), "metadata": {"key": result.custom_id}} for result in results]
            return {"inlinedResponses": {"inlinedResponses": told}}
        if "output" not in job.told:
            lines = [{"key": result.custom_id, **self._result(result)} for result in job.results if result.answer]
            content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            job.told["output"] = self.files.add("responses.jsonl", "output", content).identity
        return {"responsesFile": job.told["output"]}

    def _result(self, result: Result) -> dict[str, Any]:
        if result.answer is None:
            return {"error": {"code": 4, "message": "The batch expired before this request ran."}}
        if result.answer.status == 200:
            return {"response": result.answer.body}
        error = result.answer.body["error"]
        return {"error": {"code": RPC.get(result.answer.status, 2), "message": error["message"]}}

    def awaits(self, token: str) -> bool:
        """Whether an upload of this name has begun."""
        return token in self._uploads

    def upload(self, request: Request) -> Reply:
        """Take a file, in two steps: where to, then what."""
        commands = request.headers.get("x-goog-upload-command", "")
        if "start" in commands:
            if request.headers.get("x-goog-upload-protocol") != "resumable":
                raise bad("Only resumable uploads are understood.")
            token = f"upload{len(self._uploads)}"
            self._uploads[token] = (
                str((request.json() or {}).get("file", {}).get("displayName", "")) if request.body else ""
            )
            place = f"{self._address()}/upload/v1beta/files?upload_id={token}"
            return as_json({}, 200, {"x-goog-upload-url": place, "x-goog-upload-status": "active"})
        token = request.query.get("upload_id", "")
        if token not in self._uploads or "finalize" not in commands:
            raise bad("There is no such upload, or it is not finished by this request.")
        file = self.files.add(self._uploads.pop(token), "input", request.body)
        return as_json({"file": self._file(file)}, 200, {"x-goog-upload-status": "final"})

    def handle_file(self, request: Request, name: str, verb: str) -> Reply:
        """Look at a file, download it, or delete it."""
        if request.method == "DELETE":
            self.files.remove(name)
            return as_json({})
        file = self.files.find(name)
        if verb == "download" or request.query.get("alt") == "media":
            return Reply(200, file.content, {"content-type": "application/octet-stream"})
        return as_json(self._file(file))

    def _file(self, file: File) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        told = {"name": file.identity, "displayName": file.name, "mimeType": "application/jsonl", "state": "ACTIVE"}
        return told | {"sizeBytes": str(len(file.content)), "createTime": now, "updateTime": now, "source": "UPLOADED"}
