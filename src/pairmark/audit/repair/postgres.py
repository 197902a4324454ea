"""The four functions of a repair for a table of a PostgreSQL."""

from pairmark.audit.repair.apply import apply
from pairmark.audit.repair.plan import make_plan
from pairmark.audit.repair.undo import plan_undo, undo

__all__ = ["apply", "make_plan", "plan_undo", "undo"]
