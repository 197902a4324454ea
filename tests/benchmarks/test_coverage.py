"""How often 95 % intervals hold the truth in each of a wide range of designs, and how wide they are.

Designs differ in essays, comparisons per essay, SD of the true scores and pairing rule. Small sessions are run more often than
large ones, so that about as many scores are held against their truth in each design; one design still carries a sampling
error of about 1 %.
"""

import itertools

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.threads import one_blas_thread
from support.coverage import averaged, covered, in_rounds, planned

pytestmark = pytest.mark.benchmark

ESSAYS, PER_ESSAY, SDS = (12, 20, 30, 60, 100), (6, 10, 20, 40), (0.5, 1.0, 1.5, 2.0, 3.0)
SCORES = 1200  # held against their truth in each design
LARGE = [(n, per_essay, sd) for n, per_essay in ((400, 10), (1000, 20)) for sd in SDS]


@pytest.mark.parametrize("rule", ["equal-appearances", "adaptive", "random"])
def test_intervals_in_each_design(record, rule):
    every = []
    for essays, per_essay, sd in itertools.product(ESSAYS, PER_ESSAY, SDS):
        with one_blas_thread():
            sessions = filter(None, (planned(rule, essays, per_essay, sd, k) for k in range(max(12, SCORES // essays))))
            found = averaged(covered(fit(data), truth, 200) for data, truth in sessions)
        print(f"{rule}, {essays} essays, {per_essay} comparisons per essay, true SD {sd}: {found}", flush=True)
        every.append(found)
    between = [0.93 <= share <= 0.97 for each in every for share in (each.scores, each.differences)]
    told(record, rule, averaged(every), len(every))
    record(f"designs with 93 to 97 %, {rule}", 100 * np.mean(between), "%", against="of scores, and of differences")
    least = min(min(each.scores, each.differences) for each in every)
    record(f"least coverage in any design, {rule}", 100 * least, "%", at_least=92, against="sampling error about 1 %")


def test_intervals_of_many_essays(record):
    every = []
    for design in LARGE:
        with one_blas_thread():
            sessions = (in_rounds(*design, seed) for seed in range(max(5, 5 * SCORES // design[0])))
            found = averaged(covered(fit(data), truth, 100) for data, truth in sessions)
        print(f"{design}: {found}", flush=True)
        every.append(found)
    told(record, "400 and 1,000 essays", averaged(every), len(every))


def told(record, name, found, designs):
    against = f"{designs} designs, mean error {found.error:.2f} logits"
    record(f"scores in their 95 % interval, {name}", 100 * found.scores, "%", between=(93, 97), against=against)
    record(f"differences in their 95 % interval, {name}", 100 * found.differences, "%", between=(93, 97))
    places = f"width {100 * found.places:.0f} % of all places"
    record(f"ranks in their 95 % interval, {name}", 100 * found.ranks, "%", at_least=93, against=places)
