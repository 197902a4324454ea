"""Finding duplicate events in anybody's system, and checking our own: reads only, and says what it counts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pairmark.audit.frames import events_frame, findings_frame
    from pairmark.audit.report import AuditReport, Finding, audit

__all__ = ["AuditReport", "Finding", "audit", "events_frame", "findings_frame"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"pairmark.audit.{'frames' if name.endswith('_frame') else 'report'}"), name)
    raise AttributeError(f"module 'pairmark.audit' has no attribute {name!r}")
