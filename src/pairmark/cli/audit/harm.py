"""`pairmark audit impact`: who was charged how often, and which consumers hold an effect more than once."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pairmark.cli.audit.asked import EXIT_CODES, SOURCE, add_source, chosen, engine, one_error_code, unique_on, worst_of
from pairmark.cli.output import put_json, say
from pairmark.errors import BadRequest

WAYS = ("impact",)
PARTS = ("account", "amount", "reference", "currency")
SHOWN = 20


def add(ways: Any) -> None:
    """Declare it."""
    parser = ways.add_parser(
        "impact",
        help="join repeated facts with a ledger and with what consumers stored",
        description="Say who was charged how often for facts that were told more than once, by the ledger, and which "
        "downstream tables hold more than one effect. Nothing is written there. "
        "Exit codes: 0 clean, 1 findings, 2 error, 3 undetermined.",
    )
    add_source(parser)
    parser.add_argument(
        "--ledger", metavar="ADDRESS", help=f"the table of charges, its references the aggregates: {SOURCE}"
    )
    parser.add_argument(
        "--ledger-query", metavar="SQL", help="run this at --ledger instead of reading a table (a file is named ledger)"
    )
    for part in PARTS:
        parser.add_argument(f"--{part}-column", metavar="NAME", help=f"the column of the ledger that holds the {part}")
    parser.add_argument("--charged-at-column", metavar="NAME", help="the column of the ledger that holds the time")
    parser.add_argument(
        "--charges", choices=("positive", "negative"), help="the sign of a charge, where the ledger has both"
    )
    parser.add_argument("--refund-csv", metavar="FILE", type=Path, help="write refunds as CSV")
    parser.add_argument(
        "--refund-sql", metavar="FILE", type=Path, help="write refunds as SQL that ends in ROLLBACK; not executed"
    )
    parser.add_argument(
        "--refund-table", metavar="NAME", default="refunds", help="the table that SQL writes to (default: refunds)"
    )
    parser.add_argument("--consumers", metavar="ADDRESS", action="append", default=[],
                        help="a database with tables named as those of the incident's lifecycle, results or entitlements; "
                        "it is printed which names were looked for")  # fmt: skip
    parser.add_argument("--preset", metavar="PART", action="append", default=[],
                        help="with --consumers: look for this part only, lifecycle, results or entitlements")  # fmt: skip
    parser.add_argument("--effect", metavar="NAME=ADDRESS#KEY[,COLUMN]", action="append", default=[],
                        help="a table of effects of your own, the column that names the aggregate, and one that tells one "
                        "effect on it from another, such as the kind of mail")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Join and tell."""
    engine()
    if not (arguments.ledger or arguments.consumers or arguments.effect):
        raise BadRequest("Nothing to join with was named.", remedy="Give --ledger, --consumers or --effect.")
    with one_error_code():
        found = _impact(arguments) if arguments.ledger else None
        told = _told(arguments)
        looked_for = _looked_for(arguments) if told and told.again else []
        effects = list(_effects(arguments, looked_for, told.again)) if told and told.again else []
    if found is not None:
        _write(found, arguments)
    if arguments.json:
        ledger = found.as_dict() if found else None
        again = len(told.again) if told else None
        put_json({"ledger": ledger, "told_again": again, "consumers": [one.as_dict() for one in effects],
                  "presets": [one.as_dict() for one in looked_for]})  # fmt: skip
    else:
        if found is not None:
            _say_ledger(found)
        if told and not told.again:
            say(_NOTHING_AGAIN[told.verdict])
        for one in looked_for:
            say(one.says)
        _say_effects(effects)
    return EXIT_CODES[_verdict(found, told, effects, looked_for)]


_NOTHING_AGAIN = {
    "clean": "Nothing was told more than once, so no consumer can have acted on a duplicate; none was asked.",
    "undetermined": "Nothing was told more than once in what could be seen, which proves nothing; no consumer was asked.",
}


def _impact(arguments: argparse.Namespace) -> Any:
    from pairmark.audit.impact import impact  # noqa: PLC0415 - its engine is an extra

    columns = {part: getattr(arguments, f"{part}_column") for part in PARTS} | {"time": arguments.charged_at_column}
    return impact(
        arguments.source,
        arguments.ledger,
        ledger_query=arguments.ledger_query,
        ledger_columns={part: name for part, name in columns.items() if name},
        charges=arguments.charges,
        unique_on=unique_on(arguments),
        **chosen(arguments),
    )


def _told(arguments: argparse.Namespace) -> Any:
    """What the source tells, if consumers are to be asked about it; what was asked for is looked at before anything is read."""
    from pairmark.audit.consumers import parse_effect  # noqa: PLC0415 - its engine is an extra
    from pairmark.audit.impact import told_by  # noqa: PLC0415

    if arguments.preset and not arguments.consumers:
        raise BadRequest("--preset says what to look for, but not where.", remedy="Give --consumers, too.")
    for text in arguments.effect:
        parse_effect(text)
    if not (arguments.consumers or arguments.effect):
        return None
    return told_by(arguments.source, unique_on=unique_on(arguments), **chosen(arguments))


def _looked_for(arguments: argparse.Namespace) -> list[Any]:
    from pairmark.audit.consumers import look_for_presets  # noqa: PLC0415 - its engine is an extra

    return look_for_presets(arguments.consumers, arguments.preset) if arguments.consumers else []


def _effects(arguments: argparse.Namespace, looked_for: list[Any], told: dict[str, int]) -> Iterator[Any]:
    from pairmark.audit import consumers  # noqa: PLC0415 - its engine is an extra

    named = [consumers.parse_effect(text) for text in arguments.effect]
    named += [effect for one in looked_for for effect in one.effects]
    yield from (consumers.effects(effect, told) for effect in named)


def _write(found: Any, arguments: argparse.Namespace) -> None:
    from pairmark.audit.refunds import refund_csv, refund_sql  # noqa: PLC0415
    from pairmark.report.files import put  # noqa: PLC0415

    if arguments.refund_csv:
        put(arguments.refund_csv.absolute().parent, {arguments.refund_csv.name: refund_csv(found)})
    if arguments.refund_sql:
        content = refund_sql(found, arguments.refund_table)
        put(arguments.refund_sql.absolute().parent, {arguments.refund_sql.name: content})


def _verdict(found: Any, told: Any, effects: list[Any], looked_for: list[Any]) -> str:
    """The worst of all; a part of which there is no table is not known, and so never clean."""
    from pairmark.audit.consumers import VERDICTS  # noqa: PLC0415 - its engine is an extra

    verdicts = [VERDICTS[one.verdict] for one in effects]
    verdicts += ["undetermined" for one in looked_for if not one.effects]
    verdicts += [told.verdict] if told and not told.again else []
    verdicts += [found.verdict] if found else []
    return worst_of(verdicts)


def _say_ledger(found: Any) -> None:
    say(
        f"Ledger: {found.ledger}; {', '.join(f'{part}: {name}' for part, name in found.columns.items())}; charges are {found.sign}."
    )
    say(f"{found.repeated:,} aggregates were told of more than once; the ledger has charges for {found.charged:,} of them, "
        f"none for {found.not_charged:,}.")  # fmt: skip
    if found.verdict == "undetermined" and not found.charged:
        say(
            "Nothing in the ledger matches an aggregate of the events, so nothing can be said. Is that the reference column?"
        )
    elif not found.overcharged:
        say(f"No account was charged more than once for one of them; {found.charged_once:,} were charged once.")
    if found.charged and found.without_charge:
        more = f" and {found.not_charged - SHOWN:,} more" if found.not_charged > SHOWN else ""
        say(f"Not charged, or charged under another reference: {', '.join(found.without_charge[:SHOWN])}{more}.")
    for one in found.overcharged[:SHOWN]:
        alike = "" if one.alike else ", charges differ"
        say(f"  {one.account} for {one.reference}: told {one.told:,} times, charged {one.charges:,} times, {one.net:f} in all, "
            f"{one.first:f} first; overcharge {one.overcharge:f}{_in(one)}{alike}")  # fmt: skip
    if len(found.overcharged) > SHOWN:
        say(f"  {len(found.overcharged) - SHOWN:,} more; --json and --refund-csv have all.")
    for account in found.accounts[:SHOWN]:
        say(
            f"Account {account.account}: overcharge {account.overcharge:f}{_in(account)} in {account.references:,} references"
        )
    if found.overcharged:
        say(found.caution)


def _in(one: Any) -> str:
    return f" {one.currency}" if one.currency else ""


def _say_effects(effects: list[Any]) -> None:
    for one in effects:
        most = f", {one.repeated_facts:,} of them more than once, {one.most:,} at most" if one.repeated_facts else ""
        counted = f"{one.rows:,} rows for {one.facts_with_effect:,} of {one.facts:,} facts{most}"
        columns = f"{one.key} and {one.effect}" if one.effect else one.key
        say(f"{one.name} ({one.table}, by {columns}) {one.says}: {counted}.")
        for example in one.examples:
            say(f"  {example['fact']}: told {example['told']:,} times, {example['effects']:,} effects")
