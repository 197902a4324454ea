"""Accounts and what an administrator does to them: open, grant, adjust. Every change of `available` is a ledger row."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from pairmark.errors import BadRequest
from pairmark.events.identity import EVENTS
from pairmark.storage.connection import Database, Tx, execute

DEFAULT_OWNER = "this machine"

OPEN = """
INSERT INTO account (id, kind, owner, unlimited) VALUES (%s, %s, %s, %s) ON CONFLICT (kind, owner) DO NOTHING
"""
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('accounts', 3))"
"""Taken before an account may be opened: "there is none yet" must still hold when the default one commits."""
RESOLVE = """
SELECT id FROM account WHERE (kind = 'organisation' AND owner = %s) OR (kind = 'user' AND owner = %s) OR kind = 'default'
ORDER BY array_position(ARRAY['organisation', 'user', 'default'], kind) LIMIT 1
"""
POSTED = "SELECT account_id, kind, amount FROM ledger WHERE operation_id = %s"
POST = """
INSERT INTO ledger (account_id, kind, operation_id, amount, note, at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (operation_id) DO NOTHING RETURNING seq
"""


@dataclass(frozen=True)
class Account:
    """An account as it stands; `available` is the sum of its ledger."""

    id: UUID
    kind: str
    owner: str
    unlimited: bool
    available: int


def open_account(tx: Tx, kind: str, owner: str, *, unlimited: bool = False) -> UUID:
    """The account of this owner, opened empty if it is new."""
    identity = uuid5(EVENTS, f"account\x1f{kind}\x1f{owner}")
    execute(tx, OPEN, [identity, kind, owner, unlimited])
    return identity


def resolve(tx: Tx, user_id: str, org_id: str | None) -> UUID | None:
    """Whose account pays: the organisation's, else the user's, else the default of a single machine."""
    rows = execute(tx, RESOLVE, [org_id, user_id])
    return UUID(str(rows[0][0])) if rows else None


def lock_account(tx: Tx, account_id: UUID) -> int | None:
    """Lock the account; returns what is available, or None when it has no limit."""
    row = execute(tx, "SELECT available, unlimited FROM account WHERE id = %s FOR NO KEY UPDATE", [account_id])[0]
    return None if row[1] else int(row[0])


class Accounts:
    """Administration of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_default(self) -> None:
        """Where nobody keeps accounts: one without limit, its ledger kept all the same.

        Only where there is no account at all; a platform that keeps accounts gets no free one.
        """
        with self._database.transaction("entitlements") as tx:
            execute(tx, ONE_AT_A_TIME)
            if not execute(tx, "SELECT FROM account LIMIT 1"):
                open_account(tx, "default", DEFAULT_OWNER, unlimited=True)

    def grant(self, kind: str, owner: str, amount: int, operation_id: str, now: datetime, note: str = "") -> Account:
        """Add credits. The operation id makes a repeated grant harmless."""
        if amount <= 0:
            raise BadRequest(
                f"A grant of {amount} credits is not possible.", remedy="Grant 1 or more; use adjust to correct."
            )
        return self._post("grant", kind, owner, amount, operation_id, now, note)

    def adjust(self, kind: str, owner: str, amount: int, operation_id: str, now: datetime, note: str) -> Account:
        """Correct an account up or down, with a note; never below zero."""
        return self._post("adjustment", kind, owner, amount, operation_id, now, note)

    def _post(
        self, entry: str, kind: str, owner: str, amount: int, operation_id: str, now: datetime, note: str
    ) -> Account:
        with self._database.transaction("entitlements") as tx:
            execute(tx, ONE_AT_A_TIME)
            identity = open_account(tx, kind, owner)
            available = lock_account(tx, identity)
            known = execute(tx, POSTED, [operation_id])
            if known:
                if known[0] != (identity, entry, amount):
                    raise BadRequest(f"Operation {operation_id} was booked before, as something else.",
                                     remedy="Give another operation id.")  # fmt: skip
                return _read(tx, identity)
            if available is not None and available + amount < 0:
                raise BadRequest(f"Account {kind} {owner} has {available} credits; {amount} would take it below zero.")
            execute(tx, POST, [identity, entry, operation_id, amount, note, now])
            return _read(tx, identity)

    def everyone(self) -> list[Account]:
        """All accounts."""
        with self._database.transaction("entitlements") as tx:
            rows = execute(tx, "SELECT id, kind, owner, unlimited, available FROM account ORDER BY kind, owner")
        return [Account(row[0], row[1], row[2], row[3], int(row[4])) for row in rows]

    def read(self, account_id: UUID) -> Account:
        """One account."""
        with self._database.transaction("entitlements") as tx:
            return _read(tx, account_id)


def _read(tx: Tx, account_id: UUID) -> Account:
    row = execute(tx, "SELECT id, kind, owner, unlimited, available FROM account WHERE id = %s", [account_id])[0]
    return Account(row[0], row[1], row[2], row[3], int(row[4]))
