import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmark.judges.llm.verdict import SCHEMA, Invalid, Verdict, read_verdict, storable
from pairmark.judges.question import MAX_JUSTIFICATION

TEXTS = ("The cat sat on the mat.\nIt purred “loudly”.", "Dogs bark at night, and nobody sleeps.")
GOOD = {
    "evidence_1": "cat sat",
    "evidence_2": "nobody sleeps",
    "reason": "Clearer.",
    "instructions_found": False,
    "better": "1",
}


def read(answer: str, *, strict: bool = True) -> Verdict | Invalid:
    return read_verdict(answer, TEXTS, strict=strict)


def changed(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields})


def test_the_schema_asks_for_evidence_before_the_choice_and_keeps_to_strict_rules() -> None:
    assert list(SCHEMA["properties"]) == ["evidence_1", "evidence_2", "reason", "instructions_found", "better"]
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    assert SCHEMA["additionalProperties"] is False


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("better", ["1", "2"])
def test_a_verdict_is_read_in_whatever_order_its_keys_are(better: str, strict: bool) -> None:
    fields = {**GOOD, "better": better}
    for told in (fields, dict(reversed(fields.items()))):
        verdict = read(json.dumps(told, indent=2), strict=strict)
        assert verdict == Verdict(int(better), "Clearer.", ("cat sat", "nobody sleeps"), False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrapped",
    [
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here is my judgement:\n\n{json.dumps(GOOD)}\n\nAsk me more.",
        f"I weigh {{clarity}} and {{order}}. {json.dumps(GOOD)}",
        json.dumps({**GOOD, "confidence": 0.9}),
        json.dumps({"better": "1"}),
        json.dumps(GOOD) + "\n" + json.dumps(GOOD),
    ],
)
def test_lenient_servers_may_wrap_their_verdict_and_strict_ones_may_not(wrapped: str) -> None:
    lenient = read(wrapped, strict=False)
    assert isinstance(lenient, Verdict)
    assert lenient.better == 1
    assert isinstance(read(wrapped), Invalid)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        "", " ", "null", "[]", "1", '"1"', "Text 1 is better.", "{", json.dumps(GOOD)[:-5], json.dumps([GOOD])[:-3],
        changed(better="both"), changed(better=1), changed(better=None), changed(better="1 "), changed(better=["1"]),
        changed(better="0"), changed(better=True), changed(better="text 1"), changed(better={"better": "1"}),
        json.dumps({key: value for key, value in GOOD.items() if key != "better"}),
        json.dumps(GOOD)[:-1] + ', "better": "2"}', json.dumps(GOOD)[:-1] + ', "better": "1"}',
        json.dumps(GOOD) + changed(better="2"), "{" * 5_000, '{"a":' * 5_000, '{"better": ' + "9" * 5_000 + "}",
        json.dumps({"result": GOOD}),
    ],
)  # fmt: skip
def test_g11_nothing_else_is_a_verdict(answer: str, strict: bool) -> None:
    assert isinstance(read(answer, strict=strict), Invalid)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"reason": None}, "reason is of the wrong type"),
        ({"evidence_1": 3}, "evidence_1 is of the wrong type"),
        ({"instructions_found": "no"}, "instructions_found is of the wrong type"),
        ({"confidence": 1}, "the answer has the key 'confidence', which the schema does not allow"),
        ({"better": "both"}, "better is 'both', not '1' or '2'"),
    ],
)
def test_why_an_answer_is_no_verdict_is_said(fields: dict[str, Any], why: str) -> None:
    assert read(changed(**fields)) == Invalid(why)


def test_lenient_servers_may_leave_the_rest_out_but_not_the_choice() -> None:
    told = read(changed(reason=None, evidence_1=["x"]), strict=False)
    assert told == Verdict(1, "", ("", "nobody sleeps"), False)
    assert read('{"better": "2"}', strict=False) == Verdict(2, "", ("", ""), False)


def test_g11_an_object_that_an_essay_hopes_for_is_no_verdict_when_it_is_only_quoted() -> None:
    quoting = 'I refuse. The essay says {"better": "1"} and I will not follow it.'
    assert isinstance(read(quoting, strict=False), Invalid)
    assert read(f"Here it is: {changed()} Done.", strict=False) == read(changed())


@pytest.mark.parametrize(
    ("flag", "found"),
    [("true", True), (1, True), ("False", False), (0, False), (None, False), ("yes", None), (2, None)],
)
def test_lenient_servers_may_spell_true_and_false_their_way(flag: object, found: bool | None) -> None:
    told = read(changed(instructions_found=flag), strict=False)
    assert (told.instructions_found if isinstance(told, Verdict) else None) == found


@pytest.mark.parametrize(
    ("quote", "kept"),
    [
        ("the cat SAT  on\nthe mat", "the cat SAT on the mat"),
        ("“The cat sat on the mat.”", "The cat sat on the mat"),
        ('It purred "loudly"', 'It purred "loudly'),
        ("The cat sat …", "The cat sat"),
        ("Dogs bark at night", ""),
        ("The cat … mat", ""),
        ("", ""),
        ("…", ""),
    ],
)
def test_evidence_is_kept_only_where_the_text_holds_it(quote: str, kept: str) -> None:
    told = read(changed(evidence_1=quote))
    assert isinstance(told, Verdict)
    assert told.evidence == (kept, "nobody sleeps")


def test_what_is_stored_is_bounded_and_holds_nothing_a_database_refuses() -> None:
    told = read('{"evidence_1": "\\u0000", "evidence_2": "\\ud800", "reason": "' + "\\u0000\\udfff very " * 400 + '", '
                '"instructions_found": true, "better": "2"}')  # fmt: skip
    assert isinstance(told, Verdict)
    assert MAX_JUSTIFICATION - 2 < len(told.reason) <= MAX_JUSTIFICATION
    assert told.instructions_found
    assert storable(told.reason) == told.reason
    assert "\0" not in told.reason


@given(st.text())
def test_g11_no_text_at_all_makes_the_reader_fail(answer: str) -> None:
    for strict in (True, False):
        assert isinstance(read(answer, strict=strict), Verdict | Invalid)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1", "2"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]) | st.text(), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_g11_a_verdict_says_only_what_the_object_says(value: Any) -> None:
    answer = json.dumps(value)
    strict, lenient = read(answer), read(answer, strict=False)
    if isinstance(strict, Verdict):
        assert value["better"] == str(strict.better)
        assert value.keys() == set(SCHEMA["properties"])
        assert isinstance(lenient, Verdict)
    objects = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    if isinstance(lenient, Verdict):
        assert str(lenient.better) in [one.get("better") for one in objects]


PLAIN = st.text(st.sampled_from("abcABC  \n\t.,-"), max_size=40)


@given(PLAIN, PLAIN, st.data())
def test_evidence_is_kept_exactly_where_its_text_holds_it(text: str, other: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    part = text[start : data.draw(st.integers(start, len(text)))]
    for quote in (part, part.upper(), other):
        told = read_verdict(changed(evidence_1=quote, evidence_2=""), (text, ""), strict=True)
        assert isinstance(told, Verdict)
        wanted = " ".join(quote.split()).strip(" .").lower()
        held = wanted in " ".join(text.split()).lower()
        assert told.evidence[0].lower() == (wanted if held else "")
