"""Words as rows of characters, as ELMo reads them: bytes of UTF-8 between two marks.

Source: Peters et al. 2018, its code bilm-tf (`UnicodeCharsVocabulary`), whose numbers are raised by one so
that 0 is padding.
"""

import numpy as np

SENTENCE_START, SENTENCE_END, WORD_START, WORD_END, PAD = range(257, 262)  # a byte b has the id b + 1
BORDER = "[SEP]"  # the word between two texts; its only character is SENTENCE_END


def character_ids(sentences, max_characters=50):
    """Return the ids of sentences, lists of words: int64 (B, T, max_characters), 0 after a sentence's end.

    A word is WORD_START, its bytes, WORD_END, then PAD. Of a long word the first bytes are kept. The word
    BORDER, which `minibert pretrain --model elmo` puts before and after each text, has one character.

    Raises:
        ValueError: max_characters is under 3, or there is no word.
    """
    if max_characters < 3:
        raise ValueError(f"max_characters {max_characters} must be 3 or more: two are marks")
    longest = max(map(len, sentences), default=0)
    if longest == 0:
        raise ValueError("there is no word: give sentences as lists of words")
    ids = np.zeros((len(sentences), longest, max_characters), np.int64)
    for row, sentence in zip(ids, sentences):
        for place, word in enumerate(sentence):
            row[place] = _of_word(word, max_characters)
    return ids


def _of_word(word, max_characters):
    bytes_of_word = [byte + 1 for byte in word.encode("utf-8")[:max_characters - 2]]
    letters = [SENTENCE_END] if word == BORDER else bytes_of_word
    ids = [WORD_START, *letters, WORD_END]
    return ids + [PAD] * (max_characters - len(ids))
