"""What "better" means to a model: rubrics that come with us, and reading one from a file.

A rubric is text for the judge, at most 32 kB. How it stands in the prompt is decided in `prompt`.
"""

from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.reading.files import decode_utf8, read_bounded

MOST_BYTES = 32_000
DEFAULT = "quality"

PRESETS = {
    "quality": """\
Which text is the better piece of writing as a whole? Weigh, in this order:
1. Content: it has something to say, says it in enough detail, and stays with its subject.
2. Structure: a reader can follow from beginning to end; paragraphs and links between sentences carry the thought.
3. Language: words are precise and varied, sentences are built with control, the tone fits the purpose.
4. Correctness: errors count by how much they disturb reading, not by their number.""",
    "argumentative": """\
Which text argues its case better? Weigh, in this order:
1. Position: there is a clear claim, and the text keeps to it.
2. Support: reasons are relevant and sufficient; evidence and examples are concrete and explained, not merely named.
3. Opposing views: they are met fairly and answered, not ignored or caricatured.
4. Line of thought: each step follows from the one before; the conclusion follows from what was said.
5. Language: it is clear, precise and fit for persuading a thoughtful reader; errors count where they disturb reading.
Whether you share the opinion counts for nothing.""",
    "narrative": """\
Which text tells its story better? Weigh, in this order:
1. Story: something is at stake, events follow from each other, and the ending grows out of what came before.
2. Characters and place: they become visible through action, speech and chosen detail rather than through assertion.
3. Telling: point of view, pace and order are under control; what matters gets room.
4. Language: it is vivid and the writer's own; dialogue sounds spoken; worn phrases weigh against it.
5. Correctness: errors count where they disturb reading; a liberty taken on purpose is none.""",
    "summary": """\
Which text is the better summary of what the writers were given? Weigh, in this order:
1. Truth: it says nothing that the source does not say, and shifts no emphasis.
2. Coverage: the main ideas and how they hang together are there; minor detail is not.
3. Own words: it restates and condenses; copied sentences weigh against it.
4. Brevity and order: nothing is said twice, and it can be understood without the source.
5. Language: it is clear and neutral, without opinions of the writer; errors count where they disturb reading.""",
    "second-language": """\
The writers are learners of the language they write in. Which text shows the greater command of it? Weigh, in this order:
1. Message: the task is done and a reader understands what is meant without effort.
2. Range: vocabulary and grammar go beyond the simplest; ideas are expressed, not avoided.
3. Organisation: sentences and paragraphs are linked, and the text reads as one whole.
4. Accuracy: errors that hinder understanding weigh most, slips least; an ambitious sentence with an error
   is worth more than a simple one without.
5. Register: the tone fits the reader and the purpose.
Traces of a first language that do not disturb understanding count for nothing.""",
}


def read_rubric(chosen: str) -> str:
    """The text of a preset, or of the file at this path; raises `BadRequest` in one sentence when there is neither."""
    preset = PRESETS.get(chosen.strip().lower())
    if preset is not None:
        return preset
    if not Path(chosen).expanduser().exists():
        raise BadRequest(
            f"There is no rubric {chosen!r}: it is neither a file nor one of {', '.join(PRESETS)}.",
            remedy="Give --rubric one of these, or the path of a text file.",
        )
    return read_words(Path(chosen).expanduser(), "rubric")


def read_words(path: Path, what: str) -> str:
    """The text of a file for the prompt, such as a rubric or a task; `what` it is, for the sentence of a refusal."""
    with_room = MOST_BYTES + 3  # a byte order mark is none of the text
    if path.is_file() and path.stat().st_size > with_room:
        raise BadRequest(
            f"The {what} {path} is larger than {MOST_BYTES // 1000} kB.",
            remedy="Shorten it; it is sent with every comparison.",
        )
    return usable(decode_utf8(read_bounded(path, with_room), path), f"{what} {path}")


def usable(text: str, what: str) -> str:
    """The text without space around it; raises `BadRequest` when it is empty, too long, or holds control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise BadRequest(f"The {what} is empty.", remedy="Write down what the judge should go by.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequest(f"The {what} holds half a character.", remedy="Save it again as UTF-8 text.") from error
    if size > MOST_BYTES:
        raise BadRequest(
            f"The {what} is larger than {MOST_BYTES // 1000} kB.",
            remedy="Shorten it; it is sent with every comparison.",
        )
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise BadRequest(f"The {what} is no plain text: it holds control characters.", remedy="Save it as plain text.")
    return text
