"""OpenAI's files and batches: a file of lines goes up, a file of answers and one of errors come back, in any order."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from support.providers.asked import Dialect, Refused, bad, reading
from support.providers.http import Reply, Request, as_json
from support.providers.jobs import Job, Jobs, Line, Result
from support.providers.scene import OPENAI

LINES, SIZE = 50_000, 200_000_000
STATES = {"running": "in_progress", "cancelling": "cancelling"}
UNRUN = {"expired": "batch_expired", "cancelled": "batch_cancelled"}


@dataclass(slots=True)
class File:
    """A stored file."""

    identity: str
    name: str
    purpose: str
    content: bytes


class Files:
    """Files that went up, and those that were made here."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._files: dict[str, File] = {}
        self._number = 0

    def add(self, name: str, purpose: str, content: bytes) -> File:
        """Keep a file."""
        self._number += 1
        file = File(self._form.format(self._number), name, purpose, content)
        self._files[file.identity] = file
        return file

    def find(self, identity: str) -> File:
        """A file, or a refusal."""
        if identity not in self._files:
            raise Refused(404, "no file", f"No such File object: {identity}", param="id")
        return self._files[identity]

    def remove(self, identity: str) -> None:
        """Delete a file."""
        self.find(identity)
        del self._files[identity]

    @property
    def names(self) -> list[str]:
        """Files that are kept."""
        return list(self._files)


class OpenAiBatches:
    """What stands below /files and /batches. `dialects` are by endpoint."""

    def __init__(self, jobs: Jobs, dialects: dict[str, Dialect]) -> None:
        self._jobs, self._dialects = jobs, dialects
        self.files = Files("file-{:04d}")

    def handle(self, request: Request, parts: list[str]) -> Reply:
        """Answer a request at these parts of a path."""
        if parts[0] == "files":
            return self._handle_files(request, parts[1:])
        if request.method == "POST" and len(parts) == 1:
            with reading():
                return as_json(self._create(request.json()))
        if len(parts) == 1:
            told = [self._told(job) for dialect in self._dialects.values() for job in self._jobs.all(dialect)]
            told.sort(key=lambda one: (one["created_at"], one["id"]), reverse=True)
            return as_json({"object": "list", "data": told, "has_more": False, "first_id": None, "last_id": None})
        job = self._jobs.find(parts[1], OPENAI) if len(parts) > 1 else None
        if job is None:
            raise Refused(404, "no batch", f"No batch found with id '{parts[-1]}'.")
        if request.method == "POST" and parts[2:] == ["cancel"]:
            return as_json(self._told(self._jobs.cancel(job)))
        return as_json(self._told(self._jobs.look(job)))

    def _handle_files(self, request: Request, parts: list[str]) -> Reply:
        if not parts:
            fields = multipart(request)
            if "file" not in fields or fields.get("purpose", ("", b""))[1] != b"batch":
                raise bad("'purpose' is a required property and must be 'batch' here", "purpose")
            name, content = fields["file"]
            return as_json(self._file(self.files.add(name, "batch", content)))
        if request.method == "DELETE":
            self.files.remove(parts[0])
            return as_json({"id": parts[0], "object": "file", "deleted": True})
        file = self.files.find(parts[0])
        if parts[1:] == ["content"]:
            return Reply(200, file.content, {"content-type": "application/octet-stream"})
        return as_json(self._file(file))

    def _file(self, file: File) -> dict[str, Any]:
        told = {"id": file.identity, "object": "file", "bytes": len(file.content), "created_at": int(time.time())}
        return told | {"filename": file.name, "purpose": file.purpose, "status": "processed"}

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(body.get(name), str):
                raise bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        if body["endpoint"] not in self._dialects:
            raise bad(f"Invalid value: '{body['endpoint']}'.", "endpoint", "invalid_value")
        if body["completion_window"] != "24h":
            raise bad(
                "Invalid value for 'completion_window': only '24h' is supported.", "completion_window", "invalid_value"
            )
        file = self.files.find(body["input_file_id"])
        lines, problems = read_lines(file.content, body["endpoint"])
        job = self._jobs.create(self._dialects[body["endpoint"]], lines, "batch_{:04d}")
        job.told = {"endpoint": body["endpoint"], "input": file.identity, "problems": problems}
        job.told["metadata"] = body.get("metadata")
        job.ends = "failed" if problems else job.ends
        return self._told(job, status="validating")

    def _told(self, job: Job, status: str = "") -> dict[str, Any]:
        ended = job.state == "ended"
        status = status or (job.ends if ended else STATES[job.state])
        if ended and "output" not in job.told:
            self._put_down(job)
        problems = job.told["problems"] if status == "failed" else []
        counts = {"total": len(job.lines), "completed": job.count("answered"), "failed": job.count("refused")}
        told = {"id": job.identity, "object": "batch", "endpoint": job.told["endpoint"], "status": status}
        told |= {"input_file_id": job.told["input"], "completion_window": "24h", "created_at": int(job.created)}
        told |= {"output_file_id": job.told.get("output"), "error_file_id": job.told.get("errors")}
        told |= {"errors": {"object": "list", "data": problems} if problems else None}
        told |= {"request_counts": counts, "metadata": job.told["metadata"], "expires_at": int(job.created) + 86_400}
        return told | ({f"{status}_at": int(time.time())} if status != "validating" else {})

    def _put_down(self, job: Job) -> None:
        """Write both files; one without a line is left out."""
        good, wrong = [], []
        for number, result in enumerate(job.results):
            answered = result.answer is not None and result.answer.status == 200
            (good if answered else wrong).append(msgspec.json.encode(line_of(job, result, number)))
        for name, lines in (("output", good), ("errors", wrong)):
            content = b"".join(line + b"\n" for line in lines)
            job.told[name] = (
                self.files.add(f"{job.identity}_{name}.jsonl", "batch_output", content).identity if lines else None
            )


def line_of(job: Job, result: Result, number: int) -> dict[str, Any]:
    """A line of an output or error file."""
    line: dict[str, Any] = {
        "id": f"batch_req_{number:05d}",
        "custom_id": result.custom_id,
        "response": None,
        "error": None,
    }
    if result.answer is None:
        message = "This request could not be executed before the completion window expired."
        line["error"] = {"code": UNRUN.get(job.ends, "batch_expired"), "message": message}
    else:
        request_id = result.answer.headers.get("x-request-id", "")
        line["response"] = {"status_code": result.answer.status, "request_id": request_id, "body": result.answer.body}
    return line


def read_lines(content: bytes, endpoint: str) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests of a file, and what is wrong with it."""
    raw = [line for line in content.split(b"\n") if line.strip()]
    lines: list[Line] = []
    problems: list[dict[str, Any]] = []
    if not raw or len(raw) > LINES or len(content) > SIZE:
        problems.append(
            problem("invalid_file", f"The file must hold 1 to {LINES} lines and at most {SIZE} bytes.", None)
        )
    for number, text in enumerate(raw, start=1):
        try:
            lines.append(read_line(text, endpoint, {line.custom_id for line in lines} if len(raw) < 500 else set()))
        except (msgspec.DecodeError, ValueError) as error:
            problems.append(problem("invalid_request", str(error), number))
    if len({line.custom_id for line in lines}) < len(lines):
        problems.append(problem("duplicate_custom_id", "The custom_id is used more than once in the file.", None))
    if len({line.body.get("model") for line in lines}) > 1:
        problems.append(problem("mismatched_model", "All requests of a batch must name the same model.", None))
    return lines, problems


def read_line(text: bytes, endpoint: str, known: set[str]) -> Line:
    """One request; raises `ValueError` saying what is wrong with it."""
    line = msgspec.json.decode(text)
    if not isinstance(line, dict) or line.keys() != {"custom_id", "method", "url", "body"}:
        raise ValueError("A line must have custom_id, method, url and body.")
    if line["method"] != "POST" or line["url"] != endpoint or not isinstance(line["body"], dict):
        raise ValueError(f"The method must be POST, the url {endpoint}, the body an object.")
    if not isinstance(line["custom_id"], str) or not line["custom_id"] or line["custom_id"] in known:
        raise ValueError("The custom_id must be there and be used once.")
    return Line(line["custom_id"], line["body"])


def problem(code: str, message: str, line: int | None) -> dict[str, Any]:
    """An error of a whole batch."""
    return {"code": code, "message": message, "param": None, "line": line}


def multipart(request: Request) -> dict[str, tuple[str, bytes]]:
    """Fields of a form: name to file name and content."""
    boundary = re.search(r"boundary=\"?([^\";]+)", request.headers.get("content-type", ""))
    fields: dict[str, tuple[str, bytes]] = {}
    for part in request.body.split(b"--" + boundary[1].encode())[1:-1] if boundary else []:
        head, _, content = part.partition(b"\r\n\r\n")
        words = dict(re.findall(r'(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        fields[words.get("name", "")] = (words.get("filename", ""), content.removesuffix(b"\r\n"))
    return fields
