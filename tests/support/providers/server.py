"""All fake providers behind one port of loopback, on a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from support.providers.answering import Answering, checked
from support.providers.book import Book
from support.providers.fronts import Front, fronts
from support.providers.http import Connection, Reply, Request, Traffic
from support.providers.jobs import Jobs
from support.providers.rules import Rule, parse
from support.providers.scene import ANTHROPIC, GOOGLE, LOCAL, OPENAI, OPENROUTER, Scene
from support.providers.scripted import ScriptedJudge
from support.providers.texts import two_texts


class FakeProviders:
    """The server; a context manager, which raises at its end whatever fault of its own it met.

    `read` finds the two texts of a prompt, `book` is a file for what was asked.
    """

    def __init__(
        self,
        scene: Scene | None = None,
        *,
        book: Path | None = None,
        port: int = 0,
        read: Callable[[str], tuple[str, str]] = two_texts,
    ) -> None:
        self.scene = scene or Scene()
        self.book = Book(book)
        self.judge = ScriptedJudge(self.scene, read)
        self.port = port
        self._answering = Answering(self.scene, self.book, self.judge)
        self.jobs = Jobs(self._answering)
        self._fronts: list[Front] = fronts(self.scene, self._answering, self.jobs, lambda: self.address)
        self.traffic = Traffic()
        self.faults: list[Exception] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake providers", daemon=True)
        self._ready = threading.Event()
        self._problem: OSError | None = None

    @property
    def address(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, provider: str) -> str:
        """The base URL that is given to a provider's client."""
        paths = {
            OPENAI: "/openai/v1",
            OPENROUTER: "/openrouter/api/v1",
            ANTHROPIC: "/anthropic",
            GOOGLE: "/google",
            LOCAL: "/v1",
        }
        return self.address + paths[provider]

    def environment(self) -> dict[str, str]:
        """Variables that lead every provider's client here, keys included."""
        keys = self.scene.keys
        return {
            "OPENAI_BASE_URL": self.url(OPENAI),
            "OPENAI_API_KEY": keys[OPENAI],
            "OPENROUTER_BASE_URL": self.url(OPENROUTER),
            "OPENROUTER_API_KEY": keys[OPENROUTER],
            "ANTHROPIC_BASE_URL": self.url(ANTHROPIC),
            "ANTHROPIC_API_KEY": keys[ANTHROPIC],
            "GOOGLE_BASE_URL": self.url(GOOGLE),
            "GOOGLE_GEMINI_BASE_URL": self.url(GOOGLE),
            "GOOGLE_API_KEY": keys[GOOGLE],
        }

    def play(self, line: str, *further: Rule) -> None:
        """From now on these rules hold; counting of calls goes on."""
        self._answering.rules = checked([*parse(line), *further])

    def start(self) -> FakeProviders:
        """Listen; returns when it does."""
        self._thread.start()
        self._ready.wait(10)
        if self._problem:
            raise self._problem
        return self

    def close(self) -> None:
        """End it; connections are cut."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self.book.close()

    def wait(self) -> None:
        """Until it is closed."""
        self._thread.join()

    def __enter__(self) -> FakeProviders:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self.faults and error is None:
            raise self.faults[0]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            listening = self._loop.run_until_complete(self._listen())
        except OSError as problem:
            self._problem = problem
            self._ready.set()
            return
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            listening.close()
            for connection in list(self.traffic.open):
                connection.abort()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Connection(self.handle, self.traffic), "127.0.0.1", self.port, backlog=512
        )

    def handle(self, request: Request) -> Reply:
        """Answer a request, as if it had arrived."""
        try:
            for front in self._fronts:
                if request.path.startswith(front.prefix + "/"):
                    return front.handle(request)
        except Exception as fault:
            self.faults.append(fault)
            return Reply(500, f"The server that plays the providers fell over: {fault!r}".encode())
        return Reply(404, b"There is nobody here.")
