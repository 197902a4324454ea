"""The fake providers in a process of their own, for numbers and for tests that kill the other side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import msgspec

from support.providers.book import Entry, read_book
from support.providers.scene import Scene

TESTS = Path(__file__).parents[2]


class ProvidersProcess:
    """Runs `python -m support.providers`; a context manager. Its scene and its book are files in `folder`."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        self._folder, self._scene = folder, scene
        self.book_file = folder / "book.jsonl"
        self.address = ""
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process, for looking at what it uses."""
        assert self._process is not None
        return self._process.pid

    def entries(self) -> list[Entry]:
        """The book by now."""
        return read_book(self.book_file)

    def __enter__(self) -> ProvidersProcess:
        scene = self._folder / "scene.json"
        scene.write_bytes(msgspec.json.encode(self._scene))
        command = [sys.executable, "-m", "support.providers", "--until-eof", "--scene", scene, "--book", self.book_file]
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.address, self.environment = told["address"], told["environment"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # it ends when its input does, also if this process is killed
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
