"""Credits as a saga: reserved at intake, captured for what was counted, the rest released; settled once, in any order of messages.

A release that finds no reservation leaves a closed tombstone, so that a reservation arriving later is refused. The account is
fixed by the reservation row and never resolved again (G6).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pairmark.clock import Clock
from pairmark.errors import BrokenData
from pairmark.events.catalogue import (
    AssessmentFailed,
    Event,
    ReserveGranted,
    ReserveRefused,
    ReserveRequested,
    ResourceConsumed,
)
from pairmark.events.envelope import outgoing
from pairmark.messaging import outbox
from pairmark.messaging.messages import Message
from pairmark.services.entitlements.accounts import lock_account, resolve
from pairmark.storage.connection import Database, Tx, execute

SOURCE = "entitlements"

RESERVE = """
INSERT INTO reservation (batch_id, account_id, quantity, credits_per_unit, reserved, state) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (batch_id) DO NOTHING RETURNING batch_id
"""
LEDGER = """
INSERT INTO ledger (account_id, kind, batch_id, amount, charged, note, at) VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
LOCK = "SELECT account_id, quantity, credits_per_unit, reserved, state FROM reservation WHERE batch_id = %s FOR NO KEY UPDATE"
LOCK_ACCOUNTS = """
SELECT id FROM account WHERE id IN (SELECT account_id FROM reservation WHERE batch_id = ANY(%s)) ORDER BY id FOR NO KEY UPDATE
"""
REFUSED_BEFORE = "SELECT FROM event_outbox WHERE aggregate_id = %s AND event_type = %s"
SETTLE = "UPDATE reservation SET captured = %s, released = %s, state = 'closed' WHERE batch_id = %s AND state = 'open' RETURNING 1"


class Saga:
    """Handlers of reservation, consumption and failure."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def reserve(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Set credits aside, or refuse with a reason."""
        asked = [message for message in messages if isinstance(message.event, ReserveRequested)]
        for message in sorted(asked, key=lambda message: _account_order(tx, message.event)):
            if isinstance(message.event, ReserveRequested):
                self._reserve(tx, message, message.event)

    def _reserve(self, tx: Tx, message: Message, event: ReserveRequested) -> None:
        batch = event.cj_assessment_job_id
        price = execute(tx, "SELECT credits_per_unit FROM cost WHERE resource_type = %s", [event.resource_type])
        account = resolve(tx, event.user_id, event.org_id)
        if not price or account is None:
            kind, owner = ("organisation", event.org_id) if event.org_id else ("user", event.user_id)
            grant = f"`pairmark credits grant --{kind} {owner} AMOUNT --operation ID` opens one."
            reason = (
                f"There is no credit account for {kind} {owner}; {grant}"
                if price
                else f"{event.resource_type} has no price."
            )
            self._refuse(tx, message, event, account, 0, reason)
            return
        cost = int(price[0][0])
        available, wanted = lock_account(tx, account), event.quantity * cost
        if available is not None and available < wanted:
            reason = f"{wanted} credits are needed for up to {event.quantity} comparisons; {available} are available."
            self._refuse(tx, message, event, account, cost, reason)
            return
        if not execute(tx, RESERVE, [batch, account, event.quantity, cost, wanted, "open"]):
            self._answer_known(tx, message, event)
            return
        execute(tx, LEDGER, [account, "reserve", batch, -wanted, 0, "", self._clock.now()])
        self._send(tx, message, batch, ReserveGranted(
            event_name=ReserveGranted.topic, entity_id=event.entity_id, timestamp=self._clock.now(),
            cj_assessment_job_id=batch, quantity=event.quantity, account_id=str(account)))  # fmt: skip

    def _refuse(
        self, tx: Tx, message: Message, event: ReserveRequested, account: UUID | None, cost: int, reason: str
    ) -> None:
        batch = event.cj_assessment_job_id
        if execute(tx, RESERVE, [batch, account, event.quantity, cost, 0, "refused"]):
            self._send_refusal(tx, message, event, reason)
        else:
            self._answer_known(tx, message, event)

    def _answer_known(self, tx: Tx, message: Message, event: ReserveRequested) -> None:
        """The batch has a reservation row already. Only a tombstone may still owe an answer: it is too late."""
        state = execute(tx, LOCK, [event.cj_assessment_job_id])[0][4]
        if state == "tombstone" and not execute(tx, REFUSED_BEFORE, [event.cj_assessment_job_id, ReserveRefused.topic]):
            self._send_refusal(tx, message, event, "The batch had ended before its credits were reserved.")

    def _send_refusal(self, tx: Tx, message: Message, event: ReserveRequested, reason: str) -> None:
        self._send(tx, message, event.cj_assessment_job_id, ReserveRefused(
            event_name=ReserveRefused.topic, entity_id=event.entity_id, timestamp=self._clock.now(),
            cj_assessment_job_id=event.cj_assessment_job_id, quantity=event.quantity, reason=reason))  # fmt: skip

    def consumed(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Charge for the comparisons counted, release the rest."""
        _lock_accounts(
            tx, [message.event.processing_id for message in messages if isinstance(message.event, ResourceConsumed)]
        )
        for message in messages:
            if isinstance(message.event, ResourceConsumed):
                self._settle(tx, message.event.processing_id, message.event.quantity)

    def failed(self, tx: Tx, messages: Sequence[Message]) -> None:
        """Charge nothing, release all."""
        _lock_accounts(tx, [m.event.cj_assessment_job_id for m in messages if isinstance(m.event, AssessmentFailed)])
        for message in messages:
            if isinstance(message.event, AssessmentFailed):
                self._settle(tx, message.event.cj_assessment_job_id, 0, charge=False)

    def _settle(self, tx: Tx, batch: str, quantity: int, *, charge: bool = True) -> None:
        rows = execute(tx, LOCK, [batch])
        if not rows:
            if charge:
                raise BrokenData(f"Batch {batch} used {quantity} comparisons but has no reservation yet.")
            execute(tx, RESERVE, [batch, None, 0, 0, 0, "tombstone"])
            return
        account, _, cost, reserved, state = rows[0]
        if state != "open":
            return
        captured = quantity * cost
        if captured > reserved:
            raise BrokenData(f"Batch {batch} used {captured} credits but reserved only {reserved}.")
        execute(tx, SETTLE, [captured, reserved - captured, batch])
        if charge:
            execute(tx, LEDGER, [account, "capture", batch, 0, captured, f"{quantity} comparisons", self._clock.now()])
        execute(tx, LEDGER, [account, "release", batch, reserved - captured, 0, "", self._clock.now()])

    def _send(self, tx: Tx, message: Message, batch: str, event: Event) -> None:
        outbox.append(tx, [outgoing(event, aggregate_id=batch, source=SOURCE, correlation_id=message.correlation_id)])


def _lock_accounts(tx: Tx, batches: Sequence[str]) -> None:
    """Lock the accounts of a whole set at once, in sorted order: two consumers never wait for each other in a circle."""
    execute(tx, LOCK_ACCOUNTS, [list(batches)])


def _account_order(tx: Tx, event: object) -> str:
    """Accounts are locked in sorted order, so that two consumers never wait for each other."""
    if not isinstance(event, ReserveRequested):
        return ""
    return f"{resolve(tx, event.user_id, event.org_id)}/{event.cj_assessment_job_id}"


class EntitlementsQueries:
    """Read side of entitlements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def view(self, job_id: str) -> dict[str, Any]:
        """What was reserved, charged and released for a batch, and what its account has left (null without limit)."""
        with self._database.transaction("entitlements") as tx:
            rows = execute(
                tx,
                "SELECT r.reserved, r.captured, r.released, r.state, a.kind, a.owner, a.unlimited, a.available "
                "FROM reservation r LEFT JOIN account a ON a.id = r.account_id WHERE r.batch_id = %s",
                [job_id],
            )
        if not rows:
            return {
                "reserved": 0,
                "charged": 0,
                "released": 0,
                "balance": 0,
                "state": "none",
                "account": None,
                "unlimited": False,
            }
        reserved, charged, released, state, kind, owner, unlimited, available = rows[0]
        return {
            "reserved": reserved,
            "charged": charged,
            "released": released,
            "balance": available,
            "state": state,
            "account": f"{kind}: {owner}" if owner else None,
            "unlimited": bool(unlimited),
        }
