"""How often the audit finds the cause of repetitions whose cause is known."""

from collections import Counter

import pytest

from support.histories import world
from support.readings import audited, confusions, macro_f1, matrix, wrong
from support.sizes import size

pytestmark = pytest.mark.benchmark


def test_causes_of_five_thousand_histories(record, tmp_path):
    """The peer is the same reading without the stream of triggers."""
    found, alone = Counter(), Counter()
    for seed in range(size(20, 52)):
        made = world(seed, 100)
        found += confusions(made, audited(made, tmp_path))
        alone += confusions(made, audited(made, tmp_path, triggered=False))
    print(f"\nRows are causes, columns what the audit says:\n{matrix(found)}\n\nwithout triggers:\n{matrix(alone)}")
    number = f"{found.total():,} histories"
    against = "the same without the stream of triggers"
    record(f"macro F1 of causes, {number}", macro_f1(found), "", at_least=0.95, peer=macro_f1(alone), against=against)
    record(f"another cause named, {number}", wrong(found).total() / found.total(), "of all", at_most=0.005)
    few = Counter()
    for seed in range(size(8, 20)):
        made = world(1_000 + seed, 100, few=True)
        few += confusions(
            made,
            audited(made, tmp_path),
        )
    print(f"\ntoo few repetitions to be sure:\n{matrix(few)}")
    record("another cause named, too few repetitions", wrong(few).total() / few.total(), "of all", at_most=0.04)
