"""What a line end means: how it is chosen, and what follows for sentences and for windows of words."""

import textwrap

import numpy as np
import pytest

from minibert.text import load_corpus
from minibert.text.layout import keeps_lines, split_documents
from minibert.text.words import words_of

PROSE = """It was warm in the valley. Then the wind came from the sea, and Anna went home to the white house
beside the river. Did it rain? It did not rain that day, nor on the next one. Nobody knew why.\n""" * 6
RUSSIAN = """Весь день было тепло. Потом с моря пришёл ветер, и Анна вернулась домой, в белый дом у реки.
Шёл ли дождь? В тот день дождя не было, не было его и на следующий день.\n""" * 6
HINDI = """सारा दिन गर्मी थी और नदी शान्त थी। फिर समुद्र से हवा आई और अन्ना अपने सफ़ेद घर लौट गई जो नदी के पास था।
उस दिन वर्षा नहीं हुई और अगले दिन भी नहीं हुई।\n""" * 6
CHINESE = "整天都很暖和，河水很平静。后来海上起风了，安娜回到河边的白房子里去了。那天没有下雨。" * 8


def columns(text, width):
    return "\n".join(text[start:start + width] for start in range(0, len(text), width))


@pytest.mark.parametrize("text", [
    textwrap.fill(PROSE, 50), textwrap.fill(PROSE, 79), textwrap.fill(PROSE, 120), textwrap.fill(RUSSIAN, 72),
    textwrap.fill(PROSE.lower(), 72), textwrap.fill(HINDI, 72), columns(CHINESE, 40),
    "One is here. Two is there.\nAnd three\nfollows!",
], ids=lambda text: text[:30])
def test_wrapped_text_has_spaces_for_line_ends(text):
    assert keeps_lines(text) is False


def unrelated(rng):
    """Return a line of four to thirty made-up words."""
    return " ".join("".join(rng.choice(list("etaoinshr"), size=rng.integers(2, 9)))
                    for _ in range(rng.integers(4, 30)))


RNG = np.random.default_rng(0)
UNRELATED = [unrelated(RNG) for _ in range(400)]
PARAGRAPH = " ".join(PROSE.split())


@pytest.mark.parametrize("text", [
    "\n".join(UNRELATED),                                        # no full stop anywhere
    "\n".join(" ".join(line.split()[:5]) for line in UNRELATED),  # nor a width of its own
    "\n".join("abcd " * 9 + "abcd" for _ in UNRELATED),           # nor lines of different lengths
    "\n".join(line + "." for line in UNRELATED),
    "\n".join(line.capitalize() + (index % 3 == 0) * "." for index, line in enumerate(UNRELATED)),  # a third
    "\n".join(line + (index % 3 == 0) * "." for index, line in enumerate(UNRELATED)),  # without capitals
    "\n".join(CHINESE[:20 + index * 7 % 19] + (index % 3 == 0) * "。" for index in range(60)),
    PARAGRAPH.replace(". ", ".\n"),                          # BERT's format
    "\n".join([PARAGRAPH] * 5),                              # a paragraph a line
    "\n".join(CHINESE.replace("。", "。\n").split()),
    "the cat sat\nthe dog ran",
], ids=lambda text: text[:30])
def test_lines_that_hold_whole_sentences_are_kept_apart(text):
    assert keeps_lines(text) is True


@pytest.mark.parametrize("text", ["", "one line", "One. Two.\n\nThree."])
def test_nothing_to_choose(text):
    assert keeps_lines(text) is None


TEXT = "One is here. Two\nis there\n \nThree. Dr.\nFour\n"


@pytest.mark.parametrize("lines, keep, documents, passages", [
    (False, None, [["One is here.", "Two is there"], ["Three.", "Dr. Four"]],
     [["One is here.", "Two is there"], ["Three.", "Dr. Four"]]),
    (None, True, [["One is here.", "Two", "is there"], ["Three.", "Dr.", "Four"]],
     [["One is here.", "Two"], ["is there"], ["Three.", "Dr."], ["Four"]]),
    (True, None, [["One is here. Two", "is there"], ["Three. Dr.", "Four"]],
     [["One is here. Two"], ["is there"], ["Three. Dr."], ["Four"]]),
])
def test_documents_and_passages(lines, keep, documents, passages):
    assert split_documents(TEXT, lines, keep) == (documents, passages)


def test_lines_of_chinese_are_joined_without_a_space():
    text = "整天都很\n暖和，\n  河水 很\nok\n平静。"
    assert split_documents(text, False, None)[0] == [["整天都很暖和，河水 很 ok 平静。"]]


def test_windows_stay_within_lines_that_are_kept_apart(tmp_path):
    """GloVe counts within a passage: a document, or a line."""
    path = tmp_path / "lines.txt"
    path.write_text("the cat sat\nthe dog ran\n\nno end", encoding="utf-8")
    apart, joined = load_corpus(path), load_corpus(path, lines=False)
    assert words_of(apart, whole_documents=True) == words_of(apart) == [
        ["the", "cat", "sat"], ["the", "dog", "ran"], ["no", "end"]]
    assert words_of(joined, whole_documents=True)[0] == ["the", "cat", "sat", "the", "dog", "ran"]


def test_the_choice_is_said(tmp_path):
    (tmp_path / "lines.txt").write_text("the cat sat\nthe dog ran", encoding="utf-8")
    (tmp_path / "prose.txt").write_text(textwrap.fill(PROSE, 70), encoding="utf-8")
    (tmp_path / "short.txt").write_text("One line.", encoding="utf-8")

    def said(*names, **options):
        return load_corpus([tmp_path / name for name in names], **options)

    ending = "; line ends read as ends of sentences, as the text looks (--no-lines decides))"
    assert repr(said("lines.txt")).endswith(ending)
    assert said("prose.txt").note.startswith("line ends read as spaces, as the text looks")
    assert "ends of sentences in 1 of 2 texts" in said(".").note
    assert said("short.txt").note == said(".", lines=True).note == said(".", lines=False).note == ""
