"""Who is asked next, and what stands in the way: a judge that is unable or suspended, or money that is not there.

How calls are begun, made and recorded is in `flight`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pairmark.clock import Clock
from pairmark.errors import BadRequest, Busy
from pairmark.judges.question import Forecast, JudgeUnable, ModelJudge
from pairmark.judges.question import Question as Asked
from pairmark.services.judging.calls import Calls, dollars
from pairmark.services.judging.canaries import Canaries, Elsewhere, Unaffordable
from pairmark.services.judging.sitting import Item, Sitting

UNABLE_SECONDS = 30.0
"""How long a judge that is unable is left alone when it does not say how long itself."""
LONGEST_UNABLE_SECONDS = 3600.0
LOOK_AGAIN_SECONDS = 2.0
"""How soon a batch is looked at again that waits for another process, or for a higher spend limit."""


class SpendLimitReached(Busy):
    """A batch may not spend more; it waits until its limit is raised."""


class Routing:
    """Finds the member of a judge for a question; where there is none, the sitting stops and keeps the reason."""

    def __init__(
        self,
        calls: Calls,
        canaries: Canaries,
        clock: Clock,
        pool: Callable[[ModelJudge], ThreadPoolExecutor],
        meanwhile: Callable[[], None],
    ) -> None:
        self._calls = calls
        self._canaries = canaries
        self._clock = clock
        self._pool = pool
        self._meanwhile = meanwhile

    def forecast(self, sitting: Sitting, item: Item, asked: Asked) -> Forecast | None:
        """The member that is asked: one that has passed its canaries and is able, if there is any."""
        while not (sitting.stopped or sitting.pinched):
            now = self._clock.monotonic()
            unable = {digest: told for digest, told in sitting.unable.items() if told[0] > now}
            try:
                forecast = sitting.judge.forecast(asked, frozenset(sitting.suspended).union(unable))
            except JudgeUnable as error:
                sitting.halt(error, _seconds(error))
                break
            if forecast is None and unable:
                until, why = min(unable.values(), key=lambda told: told[0])
                sitting.halt(why, max(until - now, LOOK_AGAIN_SECONDS))
            elif forecast is None:
                sitting.without_verdict(item, "unavailable", " ".join(dict.fromkeys(sitting.suspended.values())))
                break
            elif forecast.digest in sitting.cleared or not forecast.prompt_hash:
                return forecast
            else:
                self._clear(sitting, forecast)
        return None

    def no_money(self, sitting: Sitting, judge: str, most: float | None, again: float = LOOK_AGAIN_SECONDS) -> None:
        """What may cost `most` cannot be paid. Calls in flight may yet turn out cheaper than the most they may cost."""
        purse = self._calls.purse(sitting.batch_id)
        if most is None:
            why = f"The price of {judge} is not known, so the spend limit of {dollars(purse.limit)} cannot be kept."
            remedy = "Name a judge whose price is known, or cancel the batch and begin it without a limit."
            sitting.halt(BadRequest(why, remedy=remedy), UNABLE_SECONDS)
        elif sitting.out:
            sitting.pinched = True
        elif purse.reserved:
            sitting.halt(None, again)
        else:
            perhaps = f", and perhaps {dollars(purse.perhaps)} more" if purse.perhaps else ""
            why = (
                f"The spend limit of {dollars(purse.limit)} is reached: {dollars(purse.spent)} were spent{perhaps}; "
                f"what comes next may cost {dollars(most)}."
            )
            remedy = "Run the same command with a higher --spend-limit; the batch goes on where it was."
            sitting.halt(SpendLimitReached(why, remedy=remedy), LOOK_AGAIN_SECONDS)

    def unable(self, sitting: Sitting, digest: str, error: JudgeUnable) -> None:
        """Pass this member over for as long as it says, or a while."""
        sitting.unable[digest] = (self._clock.monotonic() + _seconds(error), error)

    def _clear(self, sitting: Sitting, forecast: Forecast) -> None:
        """See whether this member passes its canaries in this batch, before its first question."""
        pool = self._pool(sitting.judge)
        try:
            reason = self._canaries.reason_to_suspend(sitting.batch_id, sitting.judge, forecast, pool, self._meanwhile)
        except Elsewhere:
            sitting.halt(None, LOOK_AGAIN_SECONDS)
        except Unaffordable as needed:
            self.no_money(sitting, forecast.judge, needed.most)
        except JudgeUnable as error:
            self.unable(sitting, forecast.digest, error)
        else:
            if reason:
                sitting.suspended[forecast.digest] = reason
            else:
                sitting.cleared.add(forecast.digest)


def _seconds(error: JudgeUnable) -> float:
    wanted = UNABLE_SECONDS if error.retry_after is None else error.retry_after
    return min(max(wanted, 1.0), LONGEST_UNABLE_SECONDS)
