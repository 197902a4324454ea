"""The fake providers as a process of their own: prints one line of JSON with their addresses, ends when its input does.

`python -m support.providers --port 0 --scene FILE --rules "5% refusal, 2% 500" --book FILE`, with tests on the path.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

import msgspec

from support.providers.scene import Scene
from support.providers.server import FakeProviders


def main() -> None:
    """Run until SIGTERM, or until the end of standard input with `--until-eof`."""
    parser = argparse.ArgumentParser(prog="python -m support.providers", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--scene", "--script", type=Path, help="a scene as JSON")
    parser.add_argument("--rules", help="what goes wrong; in place of the scene's rules")
    parser.add_argument("--delay", type=float, help="seconds before each answer; in place of the scene's")
    parser.add_argument("--book", type=Path, help="a file that gets a line of JSON for each request")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    given = parser.parse_args()
    scene = msgspec.json.decode(given.scene.read_bytes(), type=Scene) if given.scene else Scene()
    told = {name: getattr(given, name) for name in ("rules", "delay") if getattr(given, name) is not None}
    server = FakeProviders(msgspec.structs.replace(scene, **told), book=given.book, port=given.port)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    with server:
        print(json.dumps({"address": server.address, "environment": server.environment()}), flush=True)
        if given.until_eof:
            threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        ended.wait()


if __name__ == "__main__":
    main()
