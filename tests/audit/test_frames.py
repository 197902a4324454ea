"""The library: frozen findings, and plain columns that make a data frame."""

from dataclasses import FrozenInstanceError, fields

import pyarrow as pa
import pyarrow.compute as compute
import pytest

import pairmark.audit as library
from pairmark.audit import audit, events_frame, findings_frame
from support.incident import PATH, WORST


def test_findings_cannot_be_changed():
    report = audit(str(PATH))
    for one in (report, report.findings[0]):
        with pytest.raises(FrozenInstanceError):
            setattr(one, fields(one)[0].name, "x")


def test_all_that_the_library_offers_is_there():
    assert all(callable(getattr(library, name)) for name in library.__all__)


def test_columns_are_of_one_length_and_of_types_that_a_frame_takes():
    report = audit(str(PATH))
    table = pa.table(findings_frame(report))
    assert table.num_rows == len(report.findings)
    assert table.column("key_aggregate").to_pylist()[0] == WORST
    assert {str(table.schema.field(name).type) for name in ("first", "last")} == {"timestamp[us, tz=UTC]"}
    events = pa.table(events_frame(report))
    assert events.num_rows == 83 + 13
    assert events.filter(compute.equal(events["finding"], 1))["interval_seconds"].to_pylist()[:3] == [
        None,
        0.106,
        0.169,
    ]
    assert events["time"].to_pylist()[0].isoformat() == report.findings[0].first


def test_without_findings_the_columns_are_there_and_empty():
    clean = audit(str(PATH), unique_on=["id"])
    assert set(findings_frame(clean)) == set(findings_frame(audit(str(PATH)))) - {"key_aggregate", "key_type"} | {
        "key_id"
    }
    assert all(column == [] for column in {**findings_frame(clean), **events_frame(clean)}.values())
