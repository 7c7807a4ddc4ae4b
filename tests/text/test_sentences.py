"""Splitting a paragraph into sentences."""

import pytest

from minibert.text import split_sentences


@pytest.mark.parametrize("text, sentences", [
    ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
    ("It  ends\nhere. And so on.", ["It ends here.", "And so on."]),
    ("Use a list, e.g. The first one. Or none.", ["Use a list, e.g. The first one.", "Or none."]),
    ("Dr. Smith met J. R. Jones. They spoke.", ["Dr. Smith met J. R. Jones.", "They spoke."]),
    ('He said "No." She left. (He did not.) Then it rained...  Hard.',
     ['He said "No."', "She left.", "(He did not.)", "Then it rained...", "Hard."]),
    ("Version 3.12 has it. 2 more will.", ["Version 3.12 has it.", "2 more will."]),
    ("call os.path.join. it works", ["call os.path.join. it works"]),
    ("他来了。她走了！“真的？”是的。", ["他来了。", "她走了！", "“真的？”", "是的。"]),
    ("", []),
    ("  \n ", []),
])
def test_split_sentences(text, sentences):
    assert split_sentences(text) == sentences


def test_splitting_loses_no_words():
    text = "A. B? e.g. C! (D.) E... F 中。文 G. etc. H"
    assert "".join(split_sentences(text)).replace(" ", "") == text.replace(" ", "")
