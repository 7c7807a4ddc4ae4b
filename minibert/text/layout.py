"""The meaning of a line end: the end of a sentence, or a space in text that was wrapped at some width.

Both are common. BERT's own input format and most corpora of word vectors hold a sentence a line, often
without full stops; books and documentation are wrapped. A blank line ends a document in either.
"""

import re

from minibert.text.basic_tokenizer import IDEOGRAPHS
from minibert.text.sentences import CLOSING, EITHER, SPACED, TERMINAL, split_sentences

LOOKED_AT = 20_000   # lines of a text that decide how it is read
MIN_WIDTH = 40       # columns; narrower text is not taken for wrapped because of its width alone
QUIET = 0.05         # share of lines with an end of a sentence below which only line ends can separate any
FULL_WIDTH = 0.9     # share of the lines that fit into the width that text was wrapped at


CLOSED = f"[{re.escape(CLOSING + EITHER)}]*"
HAS_END = re.compile(f"{TERMINAL}(?:(?<![{re.escape(SPACED)}])|{CLOSED}(?: |$))")
# Between two lines of Chinese or Japanese there is no space.
UNSPACED = f"[{IDEOGRAPHS}\u3001-\u303f\u3040-\u30ff\uff01-\uff65]"
WITHIN_WORDS = re.compile(f"(?<={UNSPACED})[ \t]*\n[ \t\u3000]*(?={UNSPACED})")
ENDS = re.compile(f"{TERMINAL}{CLOSED}$")


def split_documents(text, lines, keep):
    """Return (documents, passages) of a text; see `Corpus`.

    Args:
        text: str, with "\\n" for line ends.
        lines: whether each line is one sentence, whatever punctuation it holds.
        keep: whether a line end ends a sentence, though a line may hold several.
    """
    documents, passages = [], []
    for paragraph in _paragraphs(text):
        if lines:
            found = [[" ".join(line.split())] for line in paragraph]
        elif keep:
            found = list(map(split_sentences, paragraph))
        else:
            found = [split_sentences(WITHIN_WORDS.sub("", "\n".join(paragraph)))]
        documents.append([sentence for sentences in found for sentence in sentences])
        passages += found
    return documents, passages


def _paragraphs(text):
    """Yield the runs of lines between blank lines: lists of str."""
    paragraph = []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []


def keeps_lines(text):
    """Return whether the line ends of a text end sentences, as it looks; None where no line follows another.

    They do in a text with hardly any other end of a sentence. Elsewhere a line goes on in the next one if it
    lacks a terminal mark, and the next one begins with a small letter (in a text with capitals), or with a
    word that would not have fitted into the width of the text. Line ends are spaces if at least half of the
    lines that another one follows go on.
    """
    lines = [line.strip() for line in text.split("\n", LOOKED_AT)[:LOOKED_AT]]
    followed = [(line, following) for line, following in zip(lines, lines[1:]) if line and following]
    if not followed:
        return None
    lines = [line for line in lines if line]
    if sum(HAS_END.search(line) is not None for line in lines) < QUIET * len(lines):
        return True
    has_capitals = any(line[0].isupper() for line in lines)
    lengths = sorted(len(line) for line, _ in followed)
    width = lengths[int(FULL_WIDTH * (len(lengths) - 1))]
    num_joined = sum(not ENDS.search(line) and (has_capitals and following[0].islower()
                                                or _is_full(line, following, width))
                     for line, following in followed)
    return num_joined < len(followed) - num_joined


def _is_full(line, following, width):
    """Return whether the next line's first word would have made a line wider than `width`."""
    if " " not in line:  # Chinese, Japanese, Thai: a line breaks between any two characters, nearly
        return width >= MIN_WIDTH / 2 and len(line) + 2 > width
    return width >= MIN_WIDTH and len(line) + 1 + len(following.split(None, 1)[0]) > width
