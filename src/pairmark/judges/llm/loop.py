"""An event loop in a thread of its own, so that threads which may wait can ask code which must not.

Nothing here knows what is asked.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

CLOSE_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for other threads; begins with the first one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work; raises `CancelledError` of futures, not of asyncio, when this was closed meanwhile."""
        with self._lock:
            if self._closed:
                work.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work, self._started())
        return future.result()

    def close(self, last: Coroutine[Any, Any, object] | None = None) -> None:
        """Cancel what runs, do the last work, and end the thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            if last is not None:
                last.close()
            return
        with suppress(TimeoutError):  # the thread is a daemon: it ends with the process at the latest
            asyncio.run_coroutine_threadsafe(_end(last), loop).result(CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = _new_event_loop()
            self._thread = Thread(target=_run, args=(self._loop,), name=self._name, daemon=True)
            self._thread.start()
        return self._loop


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """Of `uvloop` where it is installed: it takes a seventh less time for a call."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - part of the extra, and not of every system
    except ImportError:
        return asyncio.new_event_loop()
    return new_event_loop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _end(last: Coroutine[Any, Any, object] | None) -> None:
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    if last is not None:
        await last
