"""A refund file from an impact, as CSV and as SQL. Neither is executed: a person looks at the accounts first."""

from pairmark.audit.impact import CAUTION, Impact
from pairmark.audit.sources.statements import literal, quoted
from pairmark.audit.sources.tables import parts_of
from pairmark.report.figures import visible
from pairmark.report.tables import csv_bytes

COLUMNS = (
    "account",
    "reference",
    "currency",
    "refund",
    "charges",
    "net_charged",
    "first_charge",
    "charges_alike",
    "fact_told",
)


def refund_csv(impact: Impact) -> bytes:
    """One row for each account and reference; amounts with every digit, cells guarded against formulas."""
    rows = [
        (one.account, one.reference, one.currency, f"{one.overcharge:f}", one.charges, f"{one.net:f}", f"{one.first:f}",
         "yes" if one.alike else "no", one.told)
        for one in impact.overcharged
    ]  # fmt: skip
    return csv_bytes(COLUMNS, rows)


def refund_sql(impact: Impact, table: str) -> bytes:
    """Statements that book each refund once: the reference `refund of …` is looked for first. Ends in ROLLBACK on purpose."""
    into = ".".join(map(quoted, parts_of(table)))
    names = [impact.columns[part] for part in ("account", "reference", "amount", "currency") if part in impact.columns]
    reference = quoted(impact.columns["reference"])
    account = quoted(impact.columns["account"])
    lines = [
        *(f"-- {line}" for line in (
            f"Refunds for {visible(impact.ledger)}, made from {visible(impact.source)}. Nothing of this was executed.",
            CAUTION,
            "Change ROLLBACK to COMMIT at the end once every line is right.",
        )),
        "BEGIN;",
    ]  # fmt: skip
    for one in impact.overcharged:
        amount = one.overcharge if impact.sign == "negative" else -one.overcharge
        booked = f"refund of {one.reference}"
        values = [
            _text(one.account),
            _text(booked),
            f"{amount:f}",
            *([_text(one.currency)] if "currency" in impact.columns else []),
        ]
        lines.append(
            f"INSERT INTO {into} ({', '.join(map(quoted, names))}) SELECT {', '.join(values)} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {into} WHERE {reference} = {_text(booked)} AND {account} = {_text(one.account)});"
        )
    return ("\n".join([*lines, "ROLLBACK;"]) + "\n").encode("utf-8", errors="backslashreplace")


def _text(value: str) -> str:
    """A literal on one line; a NUL, which no database takes, is left out."""
    return literal(value.replace("\x00", ""))
