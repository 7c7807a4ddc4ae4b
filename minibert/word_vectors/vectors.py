"""Word vectors: a table of words and their vectors, and the questions it answers.

Word2Vec and GloVe are trained WordVectors. `load` reads those of others: the formats of word2vec, gensim and
GloVe.
"""

import difflib

import numpy as np

from minibert.word_vectors import evaluation, vectors_files
from minibert.word_vectors.evaluation import unit_rows


class UnknownWordError(KeyError):
    """A word that has no vector; the message names the nearest spelling."""

    def __str__(self):
        return self.args[0]  # a KeyError prints its message in quotes


class WordVectors:
    """V words, and a vector of D numbers for each.

    Attributes:
        words: list of str, usually in the order of falling counts.
        index: {word: row}.
        vectors: (V, D) float32.
        counts: (V,) integers, how often each word occurs in the training text; None where that is not known.

    Raises:
        ValueError: no words, a duplicate word, or an array that does not fit the words.
    """

    def __init__(self, words, vectors, counts=None):
        self.words = list(words)
        self.index = {word: row for row, word in enumerate(self.words)}
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.counts = None if counts is None else np.asarray(counts)
        if not self.words:
            raise ValueError("there are no words: give at least one word and its vector")
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise ValueError(f"{len(self.words)} words need vectors of shape ({len(self.words)}, D), got "
                             f"{self.vectors.shape}")
        if len(self.index) < len(self.words):
            duplicate = next(word for row, word in enumerate(self.words) if self.index[word] != row)
            raise ValueError(f"duplicate word {duplicate!r}: each word has one vector; keep one of them")
        if self.counts is not None and self.counts.shape != (len(self.words),):
            raise ValueError(f"{len(self.words)} words need as many counts, got an array of shape "
                             f"{self.counts.shape}")

    @property
    def vector_size(self):
        """D, the numbers in a vector."""
        return self.vectors.shape[1]

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self.index

    def __getitem__(self, word):
        """Return the vector of a word (D,), or the vectors of a list of words (N, D); errors as in `row`."""
        if isinstance(word, str):
            return self.vectors[self.row(word)]
        return self.vectors[[self.row(each) for each in word]]

    def __repr__(self):
        return f"{type(self).__name__}({len(self.words):,} words, {self.vector_size} dimensions)"

    def row(self, word):
        """Return the row of a word. UnknownWordError, a KeyError, names the nearest spelling."""
        if word not in self.index:
            near = nearest_spelling(word, self.words) if isinstance(word, str) else None
            hint = f"did you mean {near!r}?" if near else "no word is spelled like it"
            raise UnknownWordError(f"{word!r} is not among the {len(self.words):,} words; {hint}")
        return self.index[word]

    # --- questions ---

    def similarity(self, first, second):
        """cos(a, b) = a·b / (|a| |b|) of the vectors a, b of two words: a float between -1 and 1.

        Raises:
            KeyError: a word is unknown; the message names the nearest spelling.
        """
        one, other = unit_rows(self[[first, second]])
        return float(one @ other)

    def most_similar(self, positive=(), negative=(), topn=10):
        """Return the words whose vectors point most in a direction: a list of (word, cosine), the best first.

        Args:
            positive: a word, a vector (D,), or a list of words and vectors. The direction is the sum of these
                vectors less the sum of the negative ones, each scaled to length one first.
            negative: likewise.
            topn: the number of words; words that were given are never in the answer.

        Raises:
            KeyError: a word is unknown; the message names the nearest spelling.
            ValueError: nothing was given, a vector has another size, or topn is below one.
        """
        positive, negative = as_list(positive), as_list(negative)
        if not positive and not negative:
            raise ValueError("most_similar needs a word, as in most_similar('king')")
        if topn < 1:
            raise ValueError(f"topn is {topn}; it must be 1 or more")
        given = [self[item] if isinstance(item, str) else np.asarray(item, np.float32)
                 for item in positive + negative]
        for vector in given:
            if vector.shape != (self.vector_size,):
                raise ValueError(f"got a vector of shape {vector.shape}; give one of shape "
                                 f"({self.vector_size},), as the words have")
        signs = np.repeat(np.float32([1, -1]), [len(positive), len(negative)])
        direction = signs @ unit_rows(np.stack(given))                          # (D,)
        lengths = np.linalg.norm(self.vectors, axis=1)                          # (V,)
        cosines = self.vectors @ unit_rows(direction) / np.where(lengths > 0, lengths, 1)  # (V,)
        rows_given = {self.index[item] for item in positive + negative if isinstance(item, str)}
        best = np.argsort(-cosines, kind="stable")[:topn + len(rows_given)]
        return [(self.words[row], float(cosines[row])) for row in best if row not in rows_given][:topn]

    def analogy(self, first, second, third, topn=1):
        """Return the words nearest to second - first + third: a list of (word, cosine), the best first.

        analogy("man", "king", "woman") gives the word that is to woman as king is to man (Mikolov, Yih, Zweig
        2013: "3CosAdd"). The three words given are never the answer. KeyError for an unknown word.
        """
        return self.most_similar([second, third], [first], topn)

    # --- evaluation ---

    def evaluate_similarity(self, path):
        """Compare the cosines with human ratings of word pairs, such as WordSim-353: see evaluation.py."""
        return evaluation.evaluate_similarity(self, path)

    def evaluate_analogies(self, path):
        """Count the analogies solved of a file such as word2vec's questions-words.txt: see evaluation.py."""
        return evaluation.evaluate_analogies(self, path)

    # --- files ---

    def save(self, path, binary=False):
        """Write the vectors in the word2vec format, as text or binary; both keep every bit."""
        vectors_files.write(path, self.words, self.vectors, binary)

    @staticmethod
    def load(path, binary=None):
        """Read vectors that word2vec, gensim, GloVe or `save` wrote.

        Args:
            path: a file in the word2vec text or binary format, or in GloVe's, which is the text without its
                first line.
            binary: True or False; None finds out.

        Returns:
            WordVectors.

        Raises:
            OSError: there is no such file.
            ValueError: the file is malformed; the message says which line, or which word of a binary file.
        """
        return WordVectors(*vectors_files.read(path, binary))


def as_list(items):
    """Return one word or vector as a list of one, and several as a list."""
    return [items] if isinstance(items, (str, np.ndarray)) else list(items)


def nearest_spelling(word, words):
    """Return the one of `words` that is spelled most like `word`, or None."""
    same_letters = [other for other in words if other.casefold() == word.casefold()]
    if same_letters:
        return same_letters[0]
    near_in_length = [other for other in words if abs(len(other) - len(word)) <= 2]
    return next(iter(difflib.get_close_matches(word, near_in_length, n=1, cutoff=0.6)), None)
