"""One shape for the values of any source, as SQL of DuckDB: text trimmed, UUIDs in one spelling, times in microseconds of UTC."""

from collections.abc import Collection, Mapping

from pairmark.audit.sources.statements import quoted

TEXTS = ("aggregate", "type", "id", "payload", "key", "correlation")
"""The parts of an event that are text, whatever they were."""

UUID = "'^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$'"
BLANKS = "' ' || chr(9) || chr(10) || chr(13)"


def as_event(columns: Mapping[str, str], kinds: Mapping[str, str], tidy: Collection[str] = ()) -> dict[str, str]:
    """What gives each part of an event, from columns by part; one without is unknown. Columns in `tidy` stay as they are."""
    found = {
        part: quoted(columns[part]) if columns[part] in tidy else as_text(columns[part], kinds[columns[part]])
        for part in TEXTS
        if part in columns
    }
    unknown = {part: "NULL::VARCHAR" for part in TEXTS if part not in columns}
    moment = as_moment(columns["time"], kinds) if "time" in columns else "NULL::BIGINT"
    published = as_published(columns["published"], kinds) if "published" in columns else "NULL::BOOLEAN"
    return {**found, **unknown, "moment": moment, "published": published}


def untidy(column: str) -> str:
    """Whether a text may have to be shaped; cheap to tell, and true of every text that `as_text` would change."""
    name = quoted(column)
    cased = f"CASE WHEN strlen({name}) BETWEEN 32 AND 36 THEN {name} <> lower({name}) ELSE false END"
    return f"({name} < '!' OR {name}[-1] < '!' OR {cased})"


def as_text(column: str, kind: str) -> str:
    """Text without blanks at its ends; UUIDs in lower case, so that two spellings are one value; what has parts as JSON."""
    nested = kind.startswith(("STRUCT", "MAP")) or kind.endswith("]")
    value = f"to_json({quoted(column)})" if nested else quoted(column)
    text = f"nullif(trim({value}::VARCHAR, {BLANKS}), '')"
    return f"CASE WHEN regexp_full_match({text}, {UUID}) THEN lower({text}) ELSE {text} END"


def as_moment(column: str, kinds: Mapping[str, str]) -> str:
    """Microseconds since 1970 in UTC, from a timestamp, from text or from a number of seconds, ms, µs or ns."""
    name, kind = quoted(column), kinds[column]
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({name})"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"epoch_us({name}::TIMESTAMP)"  # without a zone: UTC
    number = f"try_cast({name} AS DOUBLE)"
    exact = f"try_cast({name} AS HUGEINT)"
    return (
        f"CASE WHEN {number} IS NULL THEN epoch_us(try_cast({name}::VARCHAR AS TIMESTAMPTZ)) "
        f"WHEN abs({number}) < 1e11 THEN round({number} * 1e6)::BIGINT "
        f"WHEN abs({number}) < 1e14 THEN round({number} * 1e3)::BIGINT "
        f"WHEN abs({number}) < 1e17 THEN {exact}::BIGINT ELSE ({exact} // 1000)::BIGINT END"
    )


def as_published(column: str, kinds: Mapping[str, str]) -> str:
    """Whether it says that the event was published: true, a time, or anything else that is not a word for no."""
    name = quoted(column)
    if kinds[column] == "BOOLEAN":
        return name
    text = f"lower(trim({name}::VARCHAR))"
    return f"({name} IS NOT NULL AND {text} NOT IN ('', '0', 'f', 'false', 'no', 'null', 'none'))"
