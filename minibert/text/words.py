"""Text to words, for Word2Vec and GloVe: lower-cased, without punctuation, a list for each sentence."""

import re
import unicodedata

from minibert.text.basic_tokenizer import IDEOGRAPHS


def _ranges_of_marks():
    """Return the combining marks of Unicode, as ranges of a character class: vowel signs, tones, points."""
    ranges = []
    for number in range(0x300, 0x1f000):
        if unicodedata.category(chr(number)).startswith("M"):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
    ranges.append([0xe0100, 0xe01ef])  # variants of ideographs
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


# Python's \w leaves marks out, so words of most scripts of India and South-East Asia would fall apart.
MARKS = _ranges_of_marks()
JOINERS = "\u200c\u200d"  # invisible, and part of the spelling of Persian, Hindi, Malayalam ...
# Invisible characters that are no part of any word: soft hyphens, joiners of lines, marks of direction.
INVISIBLE = re.compile("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]+")
IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}][{MARKS}]*")
# Letters, digits and underscores with their marks and joiners, and with an apostrophe, a Hebrew geresh or
# gershayim, or a Catalan middle dot between two of them: array, don't, ג׳ירף, צה"ל, col·lega.
WORD = re.compile(rf"""\w[\w{MARKS}]*
    (?:(?:[{JOINERS}]+[\w{MARKS}] | ['׳״]\w | (?<=[א-ת])"[א-ת] | (?<=l)·l) [\w{MARKS}]*)*
    (?:(?<=[{MARKS}])\u200d)?""", re.VERBOSE)
ASCII_WORD = re.compile(r"\w+(?:'\w+)*", re.ASCII)  # the same where there is nothing else, and faster


def words_of(corpus, whole_documents=False):
    """Return the words of a corpus as `Word2Vec` and `GloVe` take them: a list of lists of str.

    Args:
        corpus: a `minibert.text.Corpus`, for instance of `load_corpus`.
        whole_documents: make one list of each passage (`Corpus.passages`: a document, or a line where lines
            are borders) instead of each sentence. No context window reaches from one list into the next, so
            this decides whether the end of a sentence bounds a word's context.

    Sentences (passages) without a word are left out.
    """
    lists = []
    for passage in corpus.passages:
        sentences = [split_words(sentence) for sentence in passage]
        lists += [[word for sentence in sentences for word in sentence]] if whole_documents else sentences
    return [words for words in lists if words]


def split_words(text):
    """Return the words of a text, lower-cased: a list of str.

    A word is a run of letters, digits and underscores with their combining marks and joiners. It keeps its
    inner apostrophes ("don't", however typed) but no hyphens: "state-of-the-art" is four words. Soft hyphens
    and other invisible characters are dropped, and a zero-width space separates words. Chinese puts no spaces
    between words, so each ideograph is one, as in BERT; Thai, Lao, Khmer and Burmese put none either, and
    the characters between two spaces are a word. Accents stay. The Turkish İ becomes i.
    """
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    # é as one character, not two; lower() makes two of İ, i and a dot above, which no word of Turkish has
    text = INVISIBLE.sub("", text)
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("İ", "i").lower()
    return WORD.findall(IDEOGRAPH.sub(r" \g<0> ", text))
