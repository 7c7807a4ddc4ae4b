"""Text to words, for Word2Vec and GloVe: lower-cased, without punctuation, a list for each sentence."""

import re
import unicodedata

from minibert.text.basic_tokenizer import CJK_BLOCKS

IDEOGRAPHS = "".join(f"{chr(first)}-{chr(last)}" for first, last in CJK_BLOCKS)
# One ideograph, or letters, digits and underscores with apostrophes between them: 语, array, don't.
# (The negated class [^\W...] matches a word character that is none of the others listed.)
WORD = re.compile(rf"[{IDEOGRAPHS}]|[^\W{IDEOGRAPHS}]+(?:'[^\W{IDEOGRAPHS}]+)*")


def words_of(corpus, whole_documents=False):
    """Return the words of a corpus as `Word2Vec` and `GloVe` take them: a list of lists of str.

    Args:
        corpus: a `minibert.text.Corpus`, for instance of `load_corpus`.
        whole_documents: make one list of each document instead of each sentence. No context window reaches
            from one list into the next, so this decides whether the end of a sentence bounds a word's
            context.

    Sentences (documents) without a word are left out.
    """
    lists = []
    for document in corpus.documents:
        sentences = [split_words(sentence) for sentence in document]
        lists += [[word for sentence in sentences for word in sentence]] if whole_documents else sentences
    return [words for words in lists if words]


def split_words(text):
    """Return the words of a text, lower-cased: a list of str.

    A word is a run of letters, digits and underscores, and keeps its inner apostrophes ("don't", however
    typed) but no hyphens: "state-of-the-art" is four words. Chinese puts no spaces between words, so each
    ideograph is one, as in BERT. Accents stay.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).replace("’", "'")  # é as one character, not two
    return WORD.findall(text.lower())
