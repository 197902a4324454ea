"""Who was charged how often for facts that were told more than once, by the ledger: events alone cannot tell.

Amounts are exact decimals of one currency and are never added across currencies. Nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Context, Decimal, Inexact, localcontext
from itertools import groupby
from typing import Any

from pairmark.audit.columns import recognise
from pairmark.audit.ledgers import Charge, Ledger
from pairmark.audit.report import chosen_from
from pairmark.audit.sources.address import open_source
from pairmark.audit.store import Store
from pairmark.errors import BadRequest

EXACT = Context(prec=200, traps=[Inexact])
DEFINITIONS = {
    "repeated": "aggregates of which a fact was told more than once",
    "charged": "those of them for which the ledger has a charge",
    "not_charged": "those for which it has none: not charged, or charged under another reference",
    "charges": "rows of one account for one reference with the sign of a charge",
    "net": "all amounts of the account for the reference, refunds taken off",
    "overcharge": "net less the first charge, if there is more than one charge",
}
CAUTION = (
    "Events alone cannot tell who was charged; this is what the ledger says. A second charge for one reference may be meant, as "
    "for a second run that was ordered: look at the accounts before anything is refunded."
)


@dataclass(frozen=True)
class Charged:
    """An account and a reference with more than one charge. `told`: how often the fact was told; `alike`: all charges are equal."""

    account: str
    reference: str
    currency: str
    told: int
    charges: int
    first: Decimal
    net: Decimal
    overcharge: Decimal
    alike: bool


@dataclass(frozen=True)
class Account:
    """What one account was charged too much, in one currency."""

    account: str
    currency: str
    references: int
    charges: int
    overcharge: Decimal


@dataclass(frozen=True)
class Impact:
    """What the ledger says of repeated facts. `without_charge`: the aggregates among them that it has no charge for.

    `verdict`: clean (each was charged once), findings, or undetermined: of one without a charge it is not known whether it was
    charged under another reference.
    """

    source: str
    ledger: str
    columns: dict[str, str]
    sign: str
    verdict: str
    repeated: int
    charged: int
    not_charged: int
    charged_once: int
    overcharged: list[Charged]
    accounts: list[Account]
    without_charge: list[str] = field(default_factory=list)
    caution: str = CAUTION
    definitions: dict[str, str] = field(default_factory=lambda: dict(DEFINITIONS))

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; amounts are text, so that no digit is lost."""
        return dict(_plain(asdict(self)))


@dataclass(frozen=True)
class Told:
    """What a source tells. `again`: how often the most told fact of each aggregate of which one repeats; `once`: the other ones.

    `conclusive`: whether it proves anything that nothing repeats there.
    """

    source: str
    again: dict[str, int]
    once: list[str]
    conclusive: bool

    @property
    def verdict(self) -> str:
        """Of the source alone; no events prove nothing."""
        return "findings" if self.again else "clean" if self.once and self.conclusive else "undetermined"


def told_by(source: str, columns: Mapping[str, str] | None = None, **asked: Any) -> Told:
    """How often each aggregate was told by `source`."""
    opened = open_source(source)
    chosen = chosen_from(**asked)
    if "aggregate" not in chosen.unique_on:
        raise BadRequest(
            "The impact is reckoned by aggregate.", remedy="Give --unique-on aggregate and what else tells a fact."
        )
    store = Store(opened, recognise(opened.columns(), columns or {}, opened.shown), chosen)
    try:
        told, conclusive = store.told(), opened.reach().conclusive
    finally:
        store.close()
    again = {name: n for name, n in told.items() if n > 1}
    return Told(opened.shown, again, [name for name, n in told.items() if n == 1], conclusive)


def impact(
    source: str,
    ledger: str,
    *,
    ledger_query: str | None = None,
    ledger_columns: Mapping[str, str] | None = None,
    charges: str | None = None,
    columns: Mapping[str, str] | None = None,
    **asked: Any,
) -> Impact:
    """Join repeated facts of `source` with the charges of `ledger`, whose references are the aggregates of the events.

    `ledger`: an address as of a source; `ledger_query`: SQL that runs there instead of reading a table; `ledger_columns`: names for
    account, amount, reference, currency and time; `charges`: whether a charge is a positive or a negative amount, needed only where
    the ledger has both. What else is asked is as in `audit`.
    """
    whole = told_by(source, columns, **asked)
    told = whole.again
    opened = Ledger(ledger, ledger_query, ledger_columns)
    try:
        found = list(opened.charges(list(told)))
        known = bool(found) or opened.knows(whole.once) > 0
    finally:
        opened.close()
    sign = charges or _sign(found)
    with localcontext(EXACT):
        reckoned = [_reckoned(list(rows), told, sign) for _, rows in groupby(sorted(found, key=_whose), key=_whose)]
    over = sorted((one for one in reckoned if one.overcharge > 0), key=_worst_first)
    charged = {one.reference for one in reckoned if one.charges}
    without = sorted(told.keys() - charged)
    clean = not without if told else known and whole.verdict == "clean"
    return Impact(
        source=whole.source,
        ledger=opened.shown,
        columns=opened.columns,
        sign=sign,
        verdict="findings" if over else "clean" if clean else "undetermined",
        repeated=len(told),
        charged=len(charged),
        not_charged=len(without),
        charged_once=sum(one.charges == 1 for one in reckoned),
        overcharged=over,
        accounts=_accounts(over),
        without_charge=without,
    )


def _worst_first(one: Charged) -> tuple[str, Decimal, str]:
    return one.currency, -one.overcharge, one.account


def _whose(charge: Charge) -> tuple[str, str, str]:
    return charge.account, charge.reference, charge.currency


def _sign(found: Sequence[Charge]) -> str:
    signs = {charge.amount > 0 for charge in found if charge.amount}
    if len(signs) > 1:
        raise BadRequest(
            "The ledger has positive and negative amounts, and which of them are charges is not known.",
            remedy="Give --charges positive or --charges negative.",
        )
    return "negative" if signs == {False} else "positive"


def _reckoned(rows: list[Charge], told: Mapping[str, int], sign: str) -> Charged:
    """One account and reference; amounts turned so that a charge is positive."""
    turned = [-row.amount if sign == "negative" else row.amount for row in rows]
    charges = [amount for amount in turned if amount > 0]
    first, net = charges[0] if charges else Decimal(0), sum(turned, Decimal(0))
    return Charged(
        account=rows[0].account,
        reference=rows[0].reference,
        currency=rows[0].currency,
        told=told[rows[0].reference],
        charges=len(charges),
        first=first,
        net=net,
        overcharge=max(net - first, Decimal(0)) if len(charges) > 1 else Decimal(0),
        alike=len(set(charges)) == 1,
    )


def _accounts(over: Sequence[Charged]) -> list[Account]:
    def owner(one: Charged) -> tuple[str, str]:
        return one.currency, one.account

    found = []
    with localcontext(EXACT):
        for (currency, account), some in groupby(sorted(over, key=owner), key=owner):
            rows = list(some)
            total = sum((one.overcharge for one in rows), Decimal(0))
            found.append(Account(account, currency, len(rows), sum(one.charges for one in rows), total))
    return sorted(found, key=lambda one: (one.currency, -one.overcharge, one.account))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
