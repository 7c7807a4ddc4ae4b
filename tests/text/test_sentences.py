"""Splitting a paragraph into sentences."""

import pytest

from minibert.text import split_sentences
from minibert.text.sentence_marks import SENTENCE_TERMINALS, UNICODE_VERSION


@pytest.mark.parametrize("text, sentences", [
    ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
    ("It  ends\nhere. And so on.", ["It ends here.", "And so on."]),
    ("Use a list, e.g. The first one. Or none.", ["Use a list, e.g. The first one.", "Or none."]),
    ("Dr. Smith met J. R. Jones. They spoke.", ["Dr. Smith met J. R. Jones.", "They spoke."]),
    ('He said "No." She left. (He did not.) Then it rained...  Hard.',
     ['He said "No."', "She left.", "(He did not.)", "Then it rained...", "Hard."]),
    ("Version 3.12 has it. 2 more will.", ["Version 3.12 has it.", "2 more will."]),
    ("call os.path.join. it works", ["call os.path.join. it works"]),
    ("call it. it works. i said so.", ["call it.", "it works.", "i said so."]),
    ("Mr. and Mrs. Lee, Gen. Lee et al. met St. John, Jr. They ate at 5 p.m. He sat.",
     ["Mr. and Mrs. Lee, Gen. Lee et al. met St. John, Jr. They ate at 5 p.m.", "He sat."]),
    ("See Fig. 3, pp. 4-5, Vol. II and No. 6 of Dec. 7. No. We did not.",
     ["See Fig. 3, pp. 4-5, Vol. II and No. 6 of Dec. 7.", "No.", "We did not."]),
    ("In 2019 it was 3.5. Then x.y. Both fell to 2.0. That is all.",
     ["In 2019 it was 3.5.", "Then x.y.", "Both fell to 2.0.", "That is all."]),
    ("1. The first one. 2. The second one. (a) The third.",
     ["1. The first one.", "2. The second one.", "(a) The third."]),
    ("Type '?' To stop (!) Then a . Or .. or ... More.",
     ["Type '?' To stop (!) Then a .", "Or .. or ...", "More."]),
    ("Well... perhaps. Well… Perhaps! “Why?!” he said.",
     ["Well... perhaps.", "Well…", "Perhaps!", "“Why?!” he said."]),
    ("Take max. two of them. Use a . in it. Then stop.",
     ["Take max. two of them.", "Use a . in it.", "Then stop."]),
    ("It cost 3 € more! $5 is all. — So he said.", ["It cost 3 € more!", "$5 is all.", "— So he said."]),
    ("He met M. Dupont, approx. six men, e.g. him, i.e. Tom, vs. us, etc. and so on.",
     ["He met M. Dupont, approx. six men, e.g. him, i.e. Tom, vs. us, etc. and so on."]),
    ("数字３．５。“好。”他说:\"对。\"然后走了。", ["数字３．５。", "“好。”", "他说:\"对。\"", "然后走了。"]),
    ("كتاب؟\u200f نعم.\u200f لا", ["كتاب؟\u200f", "نعم.\u200f", "لا"]),  # marks of direction
    ("他来了。她走了！“真的？”是的。", ["他来了。", "她走了！", "“真的？”", "是的。"]),
    ("It rained.[1] Then it stopped.[2][3] See a.[0] of it.",
     ["It rained.[1]", "Then it stopped.[2][3]", "See a.[0] of it."]),
    ("It is from c. 1900, like that of 3. 5. 2019. Feb. was cold.",
     ["It is from c. 1900, like that of 3. 5. 2019.", "Feb. was cold."]),
    ("", []),
    ("  \n ", []),
])
def test_split_sentences(text, sentences):
    assert split_sentences(text) == sentences


def test_splitting_loses_no_words():
    text = "A. B? e.g. C! (D.) E... F 中。文 G. etc. H"
    assert "".join(split_sentences(text)).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("text", [
    "." * 90_000, "a" + ".\"" * 40_000, ". " * 40_000, "!)" * 40_000 + " A", "a. (" * 20_000, "。”" * 40_000,
    "。\"" * 40_000, "a" * 90_000 + ". B", ". " + "(" * 90_000, " )" * 40_000, "a.b" * 30_000, "1. " * 30_000,
    "。\"," * 40_000,
], ids=lambda text: repr(text[:4]))
def test_long_runs_take_no_longer_than_other_text(text):
    """The time is linear: what takes a blink here would take minutes if each mark looked at all others."""
    assert "".join(split_sentences(text)).replace(" ", "") == text.replace(" ", "")


def test_the_table_of_marks():
    """A few of Unicode's Sentence_Terminal, and marks that are not: commas, colons, the Tibetan shad."""
    numbers = SENTENCE_TERMINALS.split()
    assert int(UNICODE_VERSION.split(".")[0]) >= 16 and len(numbers) == len(set(numbers)) >= 168
    assert {"2E", "21", "3F", "964", "61F", "6D4", "589", "1362", "104B", "17D4", "3002"} <= set(numbers)
    assert not {"2C", "3A", "3B", "F0D", "60C", "3001"} & set(numbers)
