"""Where the words of a tokenized text are in it, character by character."""

import re

CHUNK = re.compile(r"[^ \t\n\r]+")


def words_with_places(basic, text):
    """Yield (word, places) for each word that a BasicTokenizer makes of a text.

    places has (first, last + 1) for each character of the word: those of the text's character that it came
    from. A text is normalised character by character, so the words of a stretch without spaces are its
    characters' own words, joined. Where they are not, because the decomposition exchanges two accents, or a
    special token such as [MASK] is kept whole, each character has the places of the whole stretch.
    """
    for match in CHUNK.finditer(text):
        words = basic.words(match[0])
        normalised = ["".join(basic.words(character)) for character in match[0]]
        places = [(k, k + 1) for k, made in enumerate(normalised, start=match.start()) for _ in made]
        if "".join(words) != "".join(normalised):
            places = [match.span()] * sum(map(len, words))
        first = 0
        for word in words:
            yield word, places[first : first + len(word)]
            first += len(word)
