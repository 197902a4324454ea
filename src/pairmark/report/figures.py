"""Numbers and strings as people read them: decimals, counts, and names that cannot play tricks on a screen.

No statistics and no sentences here; sentences are next door, in `words`.
"""

import math
import unicodedata

MISSING = "\u2013"
_JOINERS = {"\u200c", "\u200d"}
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def decimal(value: float | None, places: int = 2) -> str:
    """A number with a fixed count of decimals and a plain hyphen as minus; a dash for what is not a finite number."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def typeset(value: float | None, places: int = 2) -> str:
    """Like `decimal`, with a real minus sign, for pages."""
    return decimal(value, places).replace("-", "\u2212")


def apart(value: float, bar: float) -> tuple[str, str]:
    """A value and the bar it is held against, with as many decimals (2 to 4) as show that they differ."""
    for places in (2, 3, 4):
        texts = decimal(value, places), decimal(bar, places)
        if texts[0] != texts[1] or value == bar:
            return texts
    return texts


def plain(value: float | None) -> str:
    """A whole number without decimals and with thousands marked, any other with two; a dash for None."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def money(value: float | None) -> str:
    """US dollars with two decimals, small amounts with two significant digits: '$12.30', '$0.0021'; 'not known' for None."""
    if value is None or not math.isfinite(value):
        return "not known"
    places = 2 if value == 0 or value >= 0.1 else min(1 - math.floor(math.log10(abs(value))), 8)
    return f"${value:,.{places}f}"


def tokens(number: int) -> str:
    """'812', '4.1k', '12M'."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            whole = number / size
            return f"{whole:,.0f}{letter}" if whole >= 10 else f"{whole:.1f}{letter}"
    return str(number)


def percent(share: float | None) -> str:
    """'83 %' with a space that does not break; a dash for None."""
    return MISSING if share is None or not math.isfinite(share) else f"{100 * share:.0f}\u00a0%"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """'1 essay', '1,000 essays'."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def visible(text: str) -> str:
    """The text with control, bidirectional and other unseen characters written out, as in `\\u001b`.

    Joiners stay, because scripts and emoji need them.
    """
    return "".join(_written_out(character) for character in text)


def _written_out(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\\u{ord(character):04x}"
