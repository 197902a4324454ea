"""Screening of judges beside the best that any test could do, on panels of 30 judges with 3 planted, 20 decisions each.

Two limits: the likelihood ratio with the true scores known, and our own test with the sound judges known, so that only the
scores have to be estimated. What lies between the two is lost to the errors of the scores, what lies below the second is ours.
"""

import numpy as np
import pytest

from pairmark.stats.bradley_terry import fit
from pairmark.stats.screening import FALSE_ALARMS, screen, told_apart
from pairmark.stats.threads import one_blas_thread
from support.panels import least_likely, panel

pytestmark = pytest.mark.benchmark

PANELS, PLANTED = 200, 3


@pytest.mark.parametrize("essays", [30, 60])
@pytest.mark.parametrize("sd", [1.0, 1.5, 2.0])
def test_random_judges_beside_the_best_test(record, sd, essays):
    found = {"known": [], "sound": [], "ours": []}
    with one_blas_thread():
        for seed in range(PANELS):
            data, truth = panel(planted=PLANTED, sd=sd, essays=essays, seed=seed)
            result = fit(data)
            sound = np.where(np.arange(len(data.judges)) < PLANTED, 0.0, 1.0)
            found["known"].append(least_likely(data, truth))
            found["sound"].append(told_apart(result, sound).p)
            found["ours"].append(screen(result).p)
    recall = {name: 100 * np.mean(np.array(p)[:, :PLANTED] <= FALSE_ALARMS) for name, p in found.items()}
    alarms = {name: 100 * np.mean(np.array(p)[:, PLANTED:] <= FALSE_ALARMS) for name, p in found.items()}
    what = f"true SD {sd}, {essays} essays"
    limits = f"true scores known, false alarms {alarms['known']:.1f} %; sound judges known: {recall['sound']:.1f} %"
    at_least = 90 if sd >= 1.5 else None
    record(f"random judges found, {what}", recall["ours"], "%", at_least=at_least, peer=recall["known"], against=limits)
    record(f"false alarms, {what}", alarms["ours"], "%", at_most=100 * FALSE_ALARMS, peer=alarms["known"])


@pytest.mark.parametrize("kind", ["random", "dissenting"])
def test_what_found_judges_are_called(record, kind):
    named = []
    with one_blas_thread():
        for seed in range(PANELS):
            named += screen(fit(panel(planted=PLANTED, sd=1.5, kind=kind, seed=seed)[0])).finding[:PLANTED]
    share = 100 * np.mean([name == kind for name in named if name != "consensus"])
    record(f"{kind} judges called so, of those found", share, "%", against="true SD 1.5, 60 essays")
