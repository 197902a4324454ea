"""The request shown in the documentation is one: the contract allows it, and it comes to its end."""

import json
import re
from pathlib import Path

from pairmark.bootstrap import System
from pairmark.events.identity import job_id
from support.contract import REQUESTED, complaints, validator
from support.faults import plant_raw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "take-requests-from-other-services.md"


def test_the_request_of_the_page_is_taken_to_its_end(system: System):
    ((text),) = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    event = json.loads(text)
    assert complaints(validator("envelope"), event) == []
    assert complaints(validator(REQUESTED), event["data"]) == []
    plant_raw(system.database, "assessment", event["event_type"], event["data"]["entity_id"], text)
    system.drain()
    batch = system.assessment.batch(job_id(event["data"]["entity_id"]))
    assert batch is not None
    assert batch.status.is_complete, batch.error
