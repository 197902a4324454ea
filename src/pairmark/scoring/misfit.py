"""Infit and outfit of essays and judges, and the odd comparisons behind them, as a report tells them."""

import numpy as np

from pairmark.domain.scored import Misfit, OddComparison
from pairmark.stats import misfit as stats
from pairmark.stats.arrays import Floats
from pairmark.stats.comparisons import Comparisons
from pairmark.stats.fitted import Fit
from pairmark.stats.surprises import chance_of_each

SIMULATED_CELLS, FEWEST = 40_000_000, 100
"""Judgements times simulations that take some seconds; with fewer simulations than this a band says little."""
MOST_JUDGEMENTS = 1_000_000
"""Above, nothing is told: a row for each judgement would take more memory than the score itself."""
ODD_ESSAYS, ODD_EACH = 20, 3


def essays(fitted: Fit) -> dict[str, Misfit]:
    """Misfit of each essay by its id; none where there are too many judgements."""
    if len(fitted.comparisons) > MOST_JUDGEMENTS:
        return {}
    return _by_id(stats.essay_misfit(fitted, simulations(fitted)))


def judges(fitted: Fit) -> dict[str, Misfit]:
    """Misfit of each judge by id; none where there are too many judgements."""
    if len(fitted.comparisons) > MOST_JUDGEMENTS:
        return {}
    return _by_id(stats.judge_misfit(fitted, simulations(fitted)))


def simulations(fitted: Fit) -> int:
    """How many simulations the size allows; 0 where there are no bands."""
    many = min(stats.SIMULATIONS, SIMULATED_CELLS // len(fitted.comparisons))
    return many if many >= FEWEST and fitted.method != "sirt" else 0


def odd_comparisons(fitted: Fit, found: dict[str, Misfit]) -> list[OddComparison]:
    """The least expected comparisons of the essays above their bands, the oddest essays first."""
    above = sorted((item for item in found if found[item].above), key=lambda item: (-found[item].outfit, item))
    if not above:
        return []
    data, chance = fitted.comparisons, chance_of_each(fitted)
    odd = []
    for item in above[:ODD_ESSAYS]:
        number = fitted.index(item)
        rows = np.flatnonzero(((data.first == number) | (data.second == number)) & (data.weight > 0))
        alike: dict[tuple[str, str, bool], list[int]] = {}
        for row in rows[np.argsort(chance[rows], kind="stable")].tolist():
            key = _told(data, row)
            if key not in alike and len(alike) == ODD_EACH:
                break
            alike.setdefault(key, []).append(row)
        odd += [
            OddComparison(item, *key, len(same), _judges(data, same), float(chance[same[0]]))
            for key, same in alike.items()
        ]
    return odd


def _told(data: Comparisons, row: int) -> tuple[str, str, bool]:
    """Winner, loser and whether it was a tie."""
    ends = data.items[data.first[row]], data.items[data.second[row]]
    if data.outcome[row] == 0.5:
        return (min(ends), max(ends), True)
    return (*(ends if data.outcome[row] == 1 else ends[::-1]), False)


def _judges(data: Comparisons, rows: list[int]) -> list[str]:
    """Who judged these, in the order of the rows, each once; those who are not named are left out."""
    if data.judge is None:
        return []
    return [name for name in dict.fromkeys(data.judges[data.judge[row]] for row in sorted(rows)) if name]


def _by_id(found: stats.Misfit) -> dict[str, Misfit]:
    names = ("infit_low", "infit_high", "infit_p", "outfit_low", "outfit_high", "outfit_p")
    columns: dict[str, Floats | None] = {name: getattr(found, name) for name in names}
    told = {}
    for k, name in enumerate(found.ids):
        if not np.isfinite(found.infit[k]):
            continue
        band = {key: None if column is None else float(column[k]) for key, column in columns.items()}
        infit, outfit = float(found.infit[k]), float(found.outfit[k])
        above = any(
            high is not None and value > max(high, 1.0)
            for value, high in ((infit, band["infit_high"]), (outfit, band["outfit_high"]))
        )
        told[name] = Misfit(infit, outfit, **band, above=above)
    return told
