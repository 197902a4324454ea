"""Providers of language models on loopback: they speak each provider's wire and refuse what the real one refuses.

Behind all of them sits one scripted judge of known ability; a script says which calls go wrong and how, and a book holds
what was asked, answered and charged. `python -m support.providers` runs them as a process of their own.
"""

from support.providers.book import Book, Entry, read_book
from support.providers.scene import BatchPlan, Card, Limits, Scene, Traits
from support.providers.server import FakeProviders
from support.providers.texts import digest

__all__ = ["BatchPlan", "Book", "Card", "Entry", "FakeProviders", "Limits", "Scene", "Traits", "digest", "read_book"]
