"""Where the words of a tokenized text are in it, character by character."""

import re

CHUNK = re.compile(r"[^ \t\n\r]+")


def words_with_places(basic, text):
    """Yield (word, places) for each word that a BasicTokenizer makes of a text.

    places has (first, last + 1) for each character of the word: those of the text's character that it came
    from. A text is normalised character by character, so the words of a stretch without spaces are its
    characters' own words, joined. Where they are not, because the decomposition exchanges two accents, each
    character has the places of the whole stretch. A special token has its own.
    """
    start = 0
    for part, token in basic.parts(text):
        if token is not None:
            yield token, [(start, start + len(part))] * len(token)
        else:
            for match in CHUNK.finditer(part):
                yield from _words_of_stretch(basic, match[0], start + match.start())
        start += len(part)


def _words_of_stretch(basic, stretch, start):
    """Yield (word, places) for the words of a stretch without spaces that begins at `start`."""
    words = basic.words(stretch)
    normalised = ["".join(basic.words(character)) for character in stretch]
    places = [(k, k + 1) for k, made in enumerate(normalised, start=start) for _ in made]
    if "".join(words) != "".join(normalised):
        places = [(start, start + len(stretch))] * sum(map(len, words))
    first = 0
    for word in words:
        yield word, places[first : first + len(word)]
        first += len(word)
