"""One line of a log as fields: JSON (structlog and others), logfmt or a console renderer's pairs, also inside what Docker,
Kubernetes and log shippers put around a line. What a line says goes before what its wrapping says.
"""

import re
from typing import Any

from pairmark.audit.sources.fields import as_text, leaves, read_object

PAIR = re.compile(r"""(?<![^\s\[(,;])([A-Za-z_][\w.\-/@]*)=("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']*)""")
CRI = re.compile(r"^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?:[ ](.*))?$", re.DOTALL)
STAMP = re.compile(r"^\W?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)(?=\W|$)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WRAPPED_IN = ("log", "message", "msg", "MESSAGE", "line")
WRAPPING = frozenset({"stream", "time", "kubernetes", "docker", "container_name", "@timestamp", "_SYSTEMD_UNIT", "tag"})
"""Keys of which a wrapping has one: a JSON line with a `message` that is JSON and none of these means it as it is."""


def fields_of(line: str) -> dict[str, str | None] | None:
    """The fields of a line by name, None if it has none that could be told."""
    line = line.strip()
    if line.startswith("{"):
        found = read_object(line)
        return None if found is None else _unwrapped(found)
    wrapped = CRI.match(line)
    if wrapped:
        inner = fields_of(wrapped[4] or "")
        return None if inner is None else {"log_time": wrapped[1], "stream": wrapped[2], **inner}
    return _pairs(COLOUR.sub("", line))


def _unwrapped(found: dict[str, Any]) -> dict[str, str | None]:
    flat = {".".join(path): as_text(value) for path, value in leaves(found)}
    if WRAPPING & found.keys():
        for name in WRAPPED_IN:
            inner = fields_of(found[name]) if isinstance(found.get(name), str) else None
            if inner:
                around = {("log_time" if key in {"time", "@timestamp"} else key): value for key, value in flat.items()}
                del around[name]
                return around | inner
    return flat


def _pairs(line: str) -> dict[str, str | None] | None:
    """Pairs of name and value wherever they stand, and the time a line begins with."""
    found: dict[str, str | None] = {name: _bare(value) for name, value in PAIR.findall(line)}
    if not found:
        return None
    stamp = STAMP.match(line)
    return {"log_time": stamp[1].replace(",", ".")} | found if stamp else found


def _bare(value: str) -> str:
    if value[:1] not in {'"', "'"} or len(value) < 2:
        return value
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), value[1:-1])


def is_partial(line: str) -> bool:
    """Whether a runtime cut the line here: Docker without a line feed at the end of `log`, Kubernetes with a P."""
    wrapped = CRI.match(line)
    if wrapped:
        return wrapped[3] == "P"
    if not line.startswith('{"log":'):
        return False
    found = read_object(line)
    return (
        found is not None
        and isinstance(found.get("log"), str)
        and "stream" in found
        and not found["log"].endswith("\n")
    )


def joined(parts: list[str]) -> str:
    """A line from the parts that a runtime cut it into."""
    if len(parts) == 1:
        return parts[0]
    wrapped = [CRI.match(one) for one in parts]
    if wrapped[0]:
        first = wrapped[0]
        return f"{first[1]} {first[2]} F " + "".join(one[4] or "" for one in wrapped if one)
    return "".join(str((read_object(one) or {}).get("log", "")) for one in parts)
