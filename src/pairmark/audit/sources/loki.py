"""Lines of a Loki by a log query, all of them: windows of time are halved until each answer is whole, so no tie is lost.

Lines are put down in a temporary file, because asking twice is dear; where the server had none, nothing is known.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from pairmark.audit.sources.log_table import OWN, Line, LogTable
from pairmark.audit.sources.loki_http import Loki, LowerLimit, Page, TooMuch
from pairmark.audit.sources.reach import Reach
from pairmark.config import loki_access
from pairmark.errors import BadRequest

FORM = 'Write it as loki+http://host:3100?query={app="cj"}&from=2025-11-13T00:00:00Z&to=…'
LIMIT = 5_000
"""Lines an answer may have; the server's own limit may be lower."""
SPAN = 7 * 24
"""Hours to look back where no begin is given."""
HOUR = 3_600 * 10**9
UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
SAME = (
    "Loki keeps one of several lines with the same labels, time and text: repetitions that are alike to the nanosecond are not "
    "seen."
)


@dataclass
class LokiLogs(LogTable):
    """The lines of one query, of one or several tenants."""

    loki: Loki
    query: str
    tenants: tuple[str | None, ...]
    begin: int
    end: int
    asked_begin: bool
    limit: int = LIMIT
    _limits: list[str] = field(default_factory=list)
    _begins_late: bool = False
    _beyond: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self._spool = tempfile.TemporaryFile(prefix="pairmark-audit-")  # noqa: SIM115 - closed with the source

    @classmethod
    def at(cls, text: str) -> "LokiLogs":
        """Take `loki+http://host:3100?query=…&from=…&to=…&tenant=…` apart."""
        place, _, options = text.partition("+")[2].partition("?")
        parts = urlsplit(place)
        if "@" in parts.netloc:
            raise BadRequest(
                "A login does not belong into the address of Loki.",
                remedy="Set PAIRMARK_LOKI_TOKEN, or PAIRMARK_LOKI_USER and PAIRMARK_LOKI_PASSWORD.",
            )
        given = {name: values[-1] for name, values in parse_qs(options.replace("+", "%2B")).items()}
        unknown = sorted(given.keys() - {"query", "from", "to", "tenant"})
        if not parts.netloc or unknown or not given.get("query", "").lstrip().startswith("{"):
            what = f"does not know {', '.join(unknown)}" if unknown else "lacks a log query, which begins with {"
            raise BadRequest(f"loki+{parts.scheme}://{parts.netloc} {what}.", remedy=FORM)
        now = datetime.now(UTC)
        end = _moment(given["to"], now) if "to" in given else now
        begin = _moment(given["from"], now) if "from" in given else end - timedelta(hours=SPAN)
        if begin >= end:
            raise BadRequest(f"from={begin.isoformat()} is not before to={end.isoformat()}.", remedy=FORM)
        loki = Loki(parts.scheme == "https", parts.netloc, parts.path.rstrip("/"), loki_access())
        tenants = tuple(one for one in given.get("tenant", "").split(",") if one) or (None,)
        return cls(loki, given["query"], tenants, _ns(begin), _ns(end), "from" in given)

    @property
    def shown(self) -> str:
        """The address, with the bounds that were looked at."""
        tenants = ",".join(one for one in self.tenants if one is not None)
        more = f"&tenant={tenants}" if tenants else ""
        return f"{self.loki.shown}?query={self.query}&from={_iso(self.begin)}&to={_iso(self.end)}{more}"

    def columns(self) -> list[str]:
        """Fetch everything; names of labels and of fields in any line."""
        for tenant in self.tenants:
            self._fetch(tenant)
        return super().columns()

    def _fetch(self, tenant: str | None) -> None:
        step = min(max((self.end - self.begin) // 24, HOUR), 24 * HOUR)
        empty: list[tuple[int, int]] = []
        for begin in range(self.begin, self.end, step):
            end = min(begin + step, self.end)
            processed = 0
            for page in self._pages(begin, end, tenant):
                processed += page.processed or len(page.lines)
                for moment, text, labels in page.lines:
                    beside = {**labels, OWN[1]: str(moment)} | ({"tenant": tenant} if tenant else {})
                    self._spool.write(json.dumps([text, beside]).encode() + b"\n")
            if not processed:
                empty.append((begin, end))
        self._tell_gaps(empty, f" of tenant {tenant}" if tenant else "")

    def _pages(self, begin: int, end: int, tenant: str | None) -> Iterator[Page]:
        """Answers that are whole and together make up the window: a full one may be cut, so its two halves are asked for."""
        waiting = [(begin, end)]
        while waiting:
            begin, end = waiting.pop()
            page = self._page(begin, end, tenant)
            if page is not None and len(page.lines) < self.limit:
                yield page
            elif end - begin > 1:
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]
            elif page is None:
                raise BadRequest(f"{self.loki.shown} cannot answer for a single moment, {_iso(begin)}.")
            else:
                self._beyond += 1
                yield page

    def _page(self, begin: int, end: int, tenant: str | None) -> Page | None:
        try:
            return self.loki.window(self.query, begin, end, self.limit, tenant)
        except TooMuch:
            return None
        except LowerLimit as allowed:
            self.limit = min(int(allowed.args[0]), self.limit - 1)
            if self.limit < 1:
                raise BadRequest(f"{self.loki.shown} allows no line an answer.") from allowed
            return self._page(begin, end, tenant)

    def _tell_gaps(self, empty: list[tuple[int, int]], whose: str) -> None:
        gaps: list[tuple[int, int]] = []
        for begin, end in empty:
            if gaps and gaps[-1][1] == begin:
                gaps[-1] = (gaps[-1][0], end)
            else:
                gaps.append((begin, end))
        for begin, end in gaps[:10]:
            if begin == self.begin:
                self._begins_late = True
                told = f"No logs{whose} before {_iso(end)}: absence proves nothing there."
            else:
                told = f"No logs{whose} from {_iso(begin)} to {_iso(end)}: absence proves nothing there."
            self._limits.append(told)
        if len(gaps) > 10:
            self._limits.append(f"{len(gaps) - 10} more spans of time{whose} have no logs.")

    def _read(self) -> Iterator[Line]:
        self._spool.seek(0)
        for raw in self._spool:
            yield Line(*json.loads(raw))

    def reach(self) -> Reach:
        """Where there were no logs, and what Loki itself leaves out."""
        limits = list(self._limits)
        if self._beyond:
            limits.append(f"{self._beyond:,} moments have {self.limit:,} lines or more, of which Loki gives no more.")
        conclusive = not self._beyond and not (self._begins_late and self.asked_begin)
        return Reach((*limits, SAME), self.odd(), conclusive)

    def close(self) -> None:
        """Let go of the connection and the temporary file."""
        self.loki.close()
        self._spool.close()


def _moment(text: str, now: datetime) -> datetime:
    """ISO 8601, or how long ago: 90m, 24h, 7d, 2w."""
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if ago:
        return now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{text!r} is no time.", remedy=f"{FORM} or from=7d.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ns(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).isoformat()
