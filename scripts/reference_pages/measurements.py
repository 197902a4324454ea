"""docs/reference/numbers.md: what the last recorded runs of `make bench` measured, and on what machine."""

import json
from pathlib import Path
from typing import Any

INTRODUCTION = """\
# Numbers

Measured by `make bench`, each beside its limit or its peer from the same run. Run it yourself:
your machine, your numbers. Benchmarks that were run again on their own stand under the run they are from.
"""


def render(results: Path) -> str:
    """The page from a results file; without one, the introduction alone."""
    if not results.exists():
        return INTRODUCTION + "\nNo run is recorded yet.\n"
    runs = json.loads(results.read_text(encoding="utf-8"))["runs"]
    return INTRODUCTION + "".join(map(_run, runs))


def _run(run: dict[str, Any]) -> str:
    rows = "\n".join(map(_row, run["rows"]))
    return (
        f"\n{heading(run)}\n\n{machine_lines(run)}\n\n"
        f"| what | measured | target | limit or peer | ratio | what that is |\n| --- | --- | --- | --- | --- | --- |\n{rows}\n"
    )


def heading(run: dict[str, Any]) -> str:
    """Date and commit of a run."""
    return f"## Run of {run['date']}, commit `{run['commit']}`"


def machine_lines(run: dict[str, Any]) -> str:
    """The machine of a run, a line for each fact."""
    return "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in _flat(run["machine"]))


def _flat(machine: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key, ", ".join(f"{name} {version}" for name, version in value.items()) if isinstance(value, dict) else value)
        for key, value in machine.items()
    ]


def _row(row: dict[str, Any]) -> str:
    target = f"{row['target']}{'' if row['met'] else ' **missed**'}" if row["target"] else ""
    peer = f"{row['peer']:.4g} {row['unit']}" if row["peer"] else ""
    ratio = f"{row['ratio']:.3g}" if row["ratio"] else ""
    return f"| {row['what']} | {row['value']:.4g} {row['unit']} | {target} | {peer} | {ratio} | {row['against']} |"
