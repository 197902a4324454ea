"""A table of charges in anybody's system: which column says what, and its rows for a few references. Amounts are exact decimals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pairmark.audit.columns import Columns, matched
from pairmark.audit.sources.address import Source, open_source
from pairmark.audit.sources.queries import open_query
from pairmark.audit.store import Chosen, Store
from pairmark.errors import BadRequest

NAMES: dict[str, tuple[str, ...]] = {
    "account": ("account_id", "account", "user_id", "customer_id", "owner_id", "organisation_id", "organization_id", "org_id",
                "tenant_id", "user", "customer"),
    "amount": ("amount", "credits", "credit_amount", "quantity", "price", "cost", "value", "total"),
    "reference": ("reference", "reference_id", "aggregate_id", "batch_id", "entity_id", "order_id", "operation_ref", "job_id",
                  "resource_id", "correlation_id"),
    "currency": ("currency", "currency_code", "unit"),
    "time": ("charged_at", "created_at", "occurred_at", "at", "timestamp", "time", "booked_at", "date"),
}  # fmt: skip
NEEDED = ("account", "amount", "reference")


@dataclass(frozen=True)
class Charge:
    """One row of a ledger. `at`: microseconds since 1970 in UTC, None if there is no such column."""

    reference: str
    account: str
    currency: str
    amount: Decimal
    at: int | None


class Ledger:
    """The charges at an address, read once."""

    def __init__(self, address: str, query: str | None = None, columns: Mapping[str, str] | None = None) -> None:
        source: Source = open_query(address, query) if query else open_source(address)
        self.shown = source.shown
        self.columns = _recognised(source, columns or {})
        found = self.columns
        known = Columns(
            aggregate=found["reference"],
            type=found["account"],
            time=found.get("time"),
            payload=found["amount"],
            key=found.get("currency"),
        )
        kept = ("aggregate", "type", "payload", *(["key"] if known.key else []))
        self._store = Store(source, known, Chosen(unique_on=kept))

    def charges(self, references: Sequence[str]) -> Iterator[Charge]:
        """Charges for these references, the earliest first."""
        rows = self._store.rows(
            "SELECT aggregate, coalesce(type, ''), coalesce(key, ''), payload, moment FROM looked_at "
            "WHERE aggregate IN (SELECT unnest(?)) ORDER BY aggregate, moment NULLS LAST",
            [list(references)],
        )
        for reference, account, currency, amount, at in rows:
            yield Charge(reference, account, currency, self._exact(amount, reference), at)

    def knows(self, references: Sequence[str]) -> int:
        """How many of these references have any row."""
        rows = self._store.rows(
            "SELECT count(DISTINCT aggregate) FROM looked_at WHERE aggregate IN (SELECT unnest(?))", [list(references)]
        )
        return int(rows[0][0])

    def _exact(self, text: str | None, reference: str) -> Decimal:
        try:
            amount = Decimal(text or "")
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise BadRequest(
                f"{self.shown} has the amount {text!r} for {reference}, which is no number.",
                remedy="Turn it into one in --ledger-query.",
            )
        return amount

    def close(self) -> None:
        """Let go of what was read."""
        self._store.close()


def _recognised(source: Source, chosen: Mapping[str, str]) -> dict[str, str]:
    present = source.columns()
    found = matched(present, chosen, source.shown, NAMES)
    missing = [part for part in NEEDED if part not in found]
    if missing:
        raise BadRequest(
            f"{source.shown} has no column for {' and '.join(missing)}; it has {', '.join(present[:20])}.",
            remedy=" ".join(f"Name it by --{part}-column." for part in missing),
        )
    return found
