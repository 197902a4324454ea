"""Asking judges and telling their answers: queue, asker, verdicts."""
