"""docs/reference/cli.md: every command and option, read from the parsers themselves."""

import argparse
from collections.abc import Iterator

from pairmark.cli.main import build_parser

INTRODUCTION = """\
# Command line

Every command, argument and option of `pairmark`, as the program itself knows them.
Exit codes are in [errors](errors.md).
"""


HEAD = "| argument or option | meaning | default |\n| --- | --- | --- |\n"


def render() -> str:
    """The page."""
    parser = build_parser()
    shared = _shared(parser)
    everywhere = f"## Options of every command\n\n{HEAD}" + "\n".join(shared) + "\n"
    return "\n".join([INTRODUCTION, everywhere, *_commands(parser, "pairmark", "", shared)]).rstrip() + "\n"


def _shared(parser: argparse.ArgumentParser) -> list[str]:
    """Rows that every command has."""
    rows = [[_row(action, leaf) for action in _visible(leaf)] for leaf in _leaves(parser)]
    return [row for row in rows[0] if all(row in other for other in rows)]


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    children = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not children:
        yield parser
    for action in children:
        for child in action.choices.values():
            yield from _leaves(child)


def _commands(parser: argparse.ArgumentParser, name: str, summary: str, shared: list[str]) -> Iterator[str]:
    yield f"## `{name}`\n"
    text = _sentence(parser.description or summary)
    if text:
        yield text + "\n"
    rows = [row for row in (_row(action, parser) for action in _visible(parser)) if row not in shared]
    if rows:
        yield HEAD + "\n".join(rows) + "\n"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, child in action.choices.items():
                yield from _commands(child, f"{name} {word}", summaries.get(word, ""), shared)


def _visible(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction)
        if not hidden and "--help" not in action.option_strings:
            yield action


def _row(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    meaning = _sentence(_expanded(action, parser))
    cells = (", ".join(f"`{form}`" for form in _forms(action)), meaning, _default(action))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _forms(action: argparse.Action) -> list[str]:
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return [f"[{value}]" if action.nargs in {"?", "*"} else value]
    return [f"{option} {value}".rstrip() for option in action.option_strings]


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(str(choice) for choice in action.choices) + "}"
    return action.dest.upper()


def _expanded(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    names = {key: value for key, value in vars(action).items() if value is not argparse.SUPPRESS}
    names["prog"] = parser.prog
    return (action.help or "") % names


def _default(action: argparse.Action) -> str:
    if action.required or (not action.option_strings and action.nargs not in {"?", "*"}):
        return "required"
    if action.default in (None, argparse.SUPPRESS, "", False):
        return ""
    return f"`{action.default}`"


def _sentence(text: str) -> str:
    flat = " ".join(text.split())
    first = flat.partition(" ")[0]
    return flat[:1].upper() + flat[1:] if first.replace("-", "").rstrip(",.;").isalpha() else flat
