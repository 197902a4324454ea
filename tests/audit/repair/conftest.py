"""A database of somebody else for each test."""

from collections.abc import Iterator
from itertools import count

import pytest

from support.postgres import Databases
from support.repairs import Theirs, theirs

NUMBER = count(1)


@pytest.fixture
def place(postgres: Databases) -> Iterator[Theirs]:
    """An empty database."""
    with theirs(postgres, f"theirs_{next(NUMBER)}") as made:
        yield made
