"""Names of a roster never leave: every form they take in a text, and what is left alone."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmark.domain.folding import fold
from pairmark.errors import BadRequest
from pairmark.reading.redaction import NAME, ORDINARY, PARTICLES, SHORT, redact
from pairmark.reading.roster import MAX_ROSTER, Roster, read_roster

ANNA = Roster(
    ("Anna-Karin Lindqvist", "José Núñez de la Cruz", "Will O'Brien", "May Rose", "Müller, Jürgen"), ("stud4711",)
)


def taken_out(text: str, roster: Roster = ANNA) -> str:
    """The one text without the names."""
    return redact([text], roster).texts[0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Anna-Karin Lindqvist wrote this.", "[name] wrote this."),
        ("I am ANNA KARIN and my mother is mrs lindqvist.", "I am [name] and my mother is mrs [name]."),
        ("Lindqvist, A. and A.-K. Lindqvist", "[name]. and [name]"),
        ("Annas bok, Lindqvists hus, Anna's cat", "[name] bok, [name] hus, [name]'s cat"),
        ("Jose Nunez went home. José\u0301 Núñez too.", "[name] went home. [name] too."),
        ("Señor de la Cruz sleeps by the cross.", "Señor [name] sleeps by the cross."),
        ("Will and Will O’Brien will come, will they?", "[name] and [name] will come, will they?"),
        ("In may the rose is red; May Rose is not.", "In may the rose is red; [name] is not."),
        ("Mueller is not JÜRGEN MÜLLER.", "Mueller is not [name]."),
        ("Write to anna.lindqvist@school.example now.", "Write to [name]@school.example now."),
        ("a.lindqvist99@x.example and annlin@x.example", "[name]@x.example and [name]@x.example"),
        ("stud4711@x.example, stud4712@x.example", "[name]@x.example, [name]@x.example"),
        ("The user anna_lindqvist, or AnnaLindqvist7, or #annakarin", "The user [name], or [name]7, or #[name]"),
        ("An\u200bna\u00adKarin Lind\u200bqvist", "[name]"),
        ("The Annapurna and a lindworm stay.", "The Annapurna and a lindworm stay."),
    ],
)
def test_forms_of_a_name(text: str, left: str):
    assert taken_out(text) == left


def test_names_in_scripts_without_spaces_and_with_vowel_signs():
    roster = Roster(("李小明", "राम शर्मा", "أحمد حسن", "Анна Смирнова"))
    assert taken_out("老师说李小明写得很好。", roster) == "老师说[name]写得很好。"
    assert "राम" not in taken_out("मेरा नाम राम है और शर्मा जी आए।", roster)
    assert taken_out("قال أحمد وحسن", roster) == "قال [name]"
    assert taken_out("Анна пришла.", roster) == "[name] пришла."


def test_family_and_given_names_alone_in_scripts_without_spaces():
    roster = Roster(("王小明", "김민수", "山田太郎"))
    assert (
        taken_out("小明和王写的。민수가 왔다. 太郎は山田です。", roster)
        == "[name]和王写的。[name]가 왔다. [name]は[name]です。"
    )


def test_a_name_that_a_line_end_breaks():
    assert taken_out("It was Lind-\nqvist, or Anna-\n Karin.") == "It was [name], or [name]."
    assert taken_out("A lind-\nworm stays.") == "A lind-\nworm stays."


def test_letters_with_a_stroke_are_sought_without_it_too():
    roster = Roster(("Søren Ågård", "Łukasz Wałęsa", "Işık Đorđević"))
    assert taken_out("Soren, SØREN, Lukasz Walesa, Isik, Dordevic, IŞIK.", roster) == (
        "[name], [name], [name], [name], [name], [name]."
    )


def test_the_number_of_places_is_counted_for_each_essay():
    assert redact(["Anna and Anna Lindqvist.", "Nobody."], ANNA).counts == [2, 0]


name = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzåäöéüßñçøл'-"), min_size=SHORT + 1, max_size=12).filter(
    lambda one: (
        one[0].isalpha() and one[-1].isalpha() and all(len(part) > SHORT for part in one.replace("'", "-").split("-"))
    )
)
case = st.sampled_from([str.upper, str.lower, str.title, str.capitalize])
filler = st.sampled_from(["the sea ", "\n", ", ", "och ", "(", "“", " 4 ", "😀 ", "..", "\u200b"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(name, name), min_size=1, max_size=4), st.data())
def test_no_name_survives_folded_wherever_it_stands(people: list[tuple[str, str]], data: st.DataObject):
    roster = Roster(tuple(f"{first} {last}" for first, last in people))
    pieces = []
    for first, last in people:
        form = data.draw(case)
        forms = [first, last, f"{first} {last}", f"{last}, {first}", f"{first[0]}. {last}", f"{first}'s", f"{last}s"]
        pieces += [data.draw(filler), form(data.draw(st.sampled_from(forms))), data.draw(filler), " "]
    left = fold(taken_out("".join(pieces), roster), lookalikes=False)
    words = "".join(char if char.isalpha() else " " for char in left.replace("[name]", " ")).split()
    listed = {
        part for one in people for whole in one for part in fold(whole, lookalikes=False).replace("'", "-").split("-")
    }
    unlisted = set(fold(ORDINARY).split()) | PARTICLES
    assert not (listed - unlisted) & set(words)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("Anna Lind\nBo Ek\n\n", ("Anna Lind", "Bo Ek")),
        ("Lind, Anna\nEk, Bo\n", ("Lind Anna", "Ek Bo")),
        ("class,first_name,Last name\n7B,Anna,Lind\n7B,Bo,Ek\n", ("Anna Lind", "Bo Ek")),
        ("Förnamn;Efternamn;E-post\nAnna;Lind;annlin@x.example\n", ("Anna Lind",)),
        ("\ufeffname\nAnna\nAnna\n", ("Anna",)),
        ("Nombre;Primer apellido;Segundo apellido;Curso\nMaría;García;López;7B\n", ("María García López",)),
        ("Vorname;Familienname\nAnna;Müller\n", ("Anna Müller",)),
        ("Given name(s),Preferred name,Surname,First language\nAnna,Anni,Lind,Sami\n", ("Anna Anni Lind",)),
        ("Student Name,E-mail address\nAnna Lind,annlin@x.example\n", ("Anna Lind",)),
    ],
)
def test_files_of_every_form(tmp_path: Path, content: str, names: tuple[str, ...]):
    path = tmp_path / "roster.csv"
    path.write_text(content, encoding="utf-8")
    roster = read_roster(path)
    assert roster.names == names
    assert roster.mailboxes == (("annlin",) if "@" in content else ())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no names"),
        (b"1\n2\n", "holds no names"),
        (b"1,Anna,Lind\n", "Row 1 .* has 3 columns, and no header says which"),
        (b"x" * 201, "more than 200 characters"),
        (b"\xff\xfeA", "not UTF-8"),
        (b"PK\x03\x04", "ZIP"),
        (b"a" * (MAX_ROSTER + 1), "larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_roster_is_refused_in_one_sentence(tmp_path: Path, content: bytes, sentence: str):
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=sentence):
        read_roster(path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(BadRequest, match="does not exist"):
        read_roster(tmp_path / "none.csv")


def test_the_placeholder_is_one_word_for_judges():
    assert NAME == "[name]"
