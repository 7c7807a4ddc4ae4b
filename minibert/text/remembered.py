"""The ids of words, each word cut into tokens once."""

MAX_WORDS = 200_000  # that are remembered


class Remembered(dict):
    """{word: find(word)}, found when a word is first asked for: most words of a text were there before.

    Where there are MAX_WORDS, all are forgotten, so that a long text does not fill the memory.
    """

    def __init__(self, find):
        super().__init__()
        self.find = find

    def __missing__(self, word):
        if len(self) >= MAX_WORDS:
            self.clear()
        self[word] = found = self.find(word)
        return found
