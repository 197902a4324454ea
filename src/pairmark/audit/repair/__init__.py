"""Repairing duplicates in somebody's table: plan, guard, quarantine, unique index, and the way back.

The only part of the audit that may write, and only through `apply` and `undo`; planning reads in a read-only transaction.
"""
