"""Splitting a paragraph into sentences."""

import re

# A sentence ends at . ! or ?, with closing quotes and brackets, before a space and a capital, digit or
# opening mark; or at the full stop of Chinese and Japanese, which no space follows.
SENTENCE_END = re.compile(r"""[.!?]+["'”’)\]]*\s+(?=["'“‘(\[]*[A-Z0-9])|[。！？]+[”’」』）]*\s*""")
# Abbreviations and initials ("J. Smith") are followed by a full stop and a capital, too.
NOT_AN_END = re.compile(
    r"""\b(e\.g|i\.e|etc|vs|cf|al|Mr|Mrs|Ms|Dr|St|Jr|Fig|Eq|Sec|approx|[A-Z])\.["')\]]*\s+$""")


def split_sentences(text):
    """Return the sentences of a paragraph: a list of strings, white space collapsed to single spaces.

    A simple rule that is right most of the time: SENTENCE_END, unless NOT_AN_END.
    """
    text = " ".join(text.split())
    sentences = []
    start = 0
    for match in SENTENCE_END.finditer(text):
        end = match.end()
        if not NOT_AN_END.search(text[max(start, end - 12):end]):
            sentences.append(text[start:end].rstrip())
            start = end
    if start < len(text):
        sentences.append(text[start:])
    return sentences
