"""Word vectors: a table of words and their vectors, and the questions it answers.

Word2Vec and GloVe are trained WordVectors. `load` reads those of others: the formats of word2vec, gensim and
GloVe.
"""

import collections.abc
import difflib
import itertools
import numbers
import warnings

import numpy as np

from minibert.word_vectors import evaluation, vectors_files
from minibert.word_vectors.checks import check_whole
from minibert.word_vectors.evaluation import lengths_of, unit_rows

BLOCK_ROWS = 1 << 12  # of vectors that are compared at a time: they stay in the cache for their lengths
SPELLED = 1000  # words that a misspelled one is compared with letter by letter
LONGEST_SPELLED = 40  # letters of a word whose edits are tried
GENSIM_NAMES = {  # gensim's names for ours
    "index_to_key": "words", "key_to_index": "index", "get_vector": "vectors['word']",
    "has_index_for": "'word' in vectors", "get_index": "row", "get_vecattr": "counts",
    "distance": "1 - similarity", "n_similarity": "similarity", "similar_by_key": "most_similar",
    "similar_by_word": "most_similar", "similar_by_vector": "most_similar",
    "index2word": "words", "vocab": "index", "syn0": "vectors", "accuracy": "evaluate_analogies",
    "build_vocab": "done when Word2Vec(sentences) is made", "train": "done when Word2Vec(sentences) is made",
    "evaluate_word_pairs": "evaluate_similarity", "evaluate_word_analogies": "evaluate_analogies",
    "save_word2vec_format": "save", "load_word2vec_format": "WordVectors.load",
    "syn1": "node_vectors", "syn1neg": "output_vectors", "corpus_total_words": "num_words",
}


class UnknownWordError(KeyError):
    """A word that has no vector; the message names the nearest spelling, and is made when it is read."""

    def __init__(self, word, index):
        super().__init__(word, index)

    def __str__(self):
        word, index = self.args
        near = nearest_spelling(word, index)
        hint = f"did you mean {near!r}?" if near else "no word is spelled like it"
        return f"{word!r} is not among the {len(index):,} words; {hint}"

    __repr__ = __str__  # without the index


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

    def __iter__(self):
        return iter(self.words)

    def __contains__(self, word):
        return word in self.index

    def __getitem__(self, word):
        """Return the vector of a word (D,), or the vectors of a list of words (N, D); errors as in `row`."""
        if isinstance(word, str) or not isinstance(word, collections.abc.Iterable):
            return self.vectors[self.row(word)]
        return self.vectors[[self.row(each) for each in word]]

    def __repr__(self):
        return f"{type(self).__name__}({len(self.words):,} words, {self.vector_size} dimensions)"

    def __getattr__(self, name):
        """Name ours for a method or attribute of gensim's."""
        hint = f": here it is {GENSIM_NAMES[name]}" if name in GENSIM_NAMES else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    @property
    def wv(self):
        """These vectors themselves; in gensim they are a part of the model that trained them."""
        return self

    def row(self, word):
        """Return the row of a word. UnknownWordError, a KeyError, names the nearest spelling."""
        if not isinstance(word, str):
            raise TypeError(f"a word must be a str, got {word!r}")
        if word not in self.index:
            raise UnknownWordError(word, self.index)
        return self.index[word]

    # --- questions ---

    def similarity(self, first, second):
        """cos(a, b) = a·b / (|a| |b|) of the vectors a, b of two words: a float between -1 and 1.

        Raises:
            KeyError: a word is unknown; the message names the nearest spelling.
        """
        one, other = unit_rows(self[[first, second]])
        return float(one @ other)

    def most_similar(self, positive=(), negative=(), topn=10, restrict_vocab=None):
        """Return the words whose vectors point most in a direction: a list of (word, cosine), the best first.

        Args:
            positive: a word, a vector (D,), or a list of words, vectors, and pairs (word or vector, weight).
                The direction is the sum of these vectors less the sum of the negative ones, each scaled to
                length one first. A weight takes the place of 1, and as in gensim of −1: it has its own sign.
            negative: likewise.
            topn: the number of words; words that were given are never in the answer. None returns the
                cosines with all words instead, an array (V,), as in gensim.
            restrict_vocab: compare with this number of words from the first on, usually the most frequent;
                None for all.

        Raises:
            KeyError: a word is unknown; the message names the nearest spelling.
            TypeError: an argument is of another kind.
            ValueError: nothing was given, a vector has another size, a number is not finite, or topn is below
                one.
        """
        if topn is not None:
            check_whole(1, topn=topn)
        if restrict_vocab is not None:
            check_whole(1, restrict_vocab=restrict_vocab)
        given = [*weighted(positive, 1.0, "positive"), *weighted(negative, -1.0, "negative")]
        if not given:
            raise ValueError("most_similar needs a word, as in most_similar('king')")
        vectors = np.stack([self._vector_of(item) for item, _ in given])        # (items, D)
        weights = np.array([weight for _, weight in given], np.float32)         # (items,)
        if not (np.isfinite(vectors).all() and np.isfinite(weights).all()):
            raise ValueError("most_similar was given a number that is not finite, in a vector or as a weight")
        direction = unit_rows(weights @ unit_rows(vectors))                     # (D,)
        cosines = self._cosines(direction, restrict_vocab)                      # (V,)
        if topn is None:
            return cosines
        rows_given = {self.index[item] for item, _ in given if isinstance(item, str)}
        best = largest(cosines, topn + len(rows_given))
        return [(self.words[row], float(cosines[row])) for row in best if row not in rows_given][:topn]

    def doesnt_match(self, words):
        """Return the word that fits least: whose vector has the smallest cosine with the mean of all.

        Each vector is scaled to length one first, as in gensim.

        Args:
            words: a list of words; those that are unknown are left out, with a warning.

        Raises:
            TypeError: `words` is not a list.
            ValueError: no word is known, or `words` is one string.
        """
        if not isinstance(words, collections.abc.Iterable):
            raise TypeError(f"words is {words!r}; it must be a list of words")
        if isinstance(words, str):
            raise ValueError(f"words is the string {words!r}; give a list of words, as in {words.split()}")
        known = [word for word in words if word in self]
        if not known:
            raise ValueError(f"doesnt_match needs words that have a vector, got {list(words)}")
        if len(known) < len(words):
            unknown = [word for word in words if word not in self]
            warnings.warn(f"words without a vector are left out: {', '.join(map(repr, unknown))}",
                          stacklevel=2)
        vectors = unit_rows(self[known])                                        # (words, D)
        cosines = vectors @ unit_rows(vectors.mean(axis=0))                     # (words,)
        return known[int(cosines.argmin())]

    def _vector_of(self, item):
        """Return the vector (D,) of a word, or a vector after a check."""
        if isinstance(item, str):
            return self[item]
        try:
            vector = np.asarray(item, np.float32)
        except (TypeError, ValueError):
            vector = np.zeros(())
        if vector.ndim == 0:
            raise TypeError(f"expected a word, a vector, or a tuple of one and its weight, a number, got "
                            f"{item!r}")
        if vector.shape != (self.vector_size,):
            raise ValueError(f"got a vector of shape {vector.shape}; give one of shape "
                             f"({self.vector_size},), as the words have")
        return vector

    def _cosines(self, direction, num_rows=None):
        """Return the cosines (V,) of a vector of length one (D,) and those of the first words."""
        vectors = self.vectors[:num_rows]
        cosines = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), BLOCK_ROWS):  # a table of unit vectors would be as large again
            block = vectors[start:start + BLOCK_ROWS]
            cosines[start:start + BLOCK_ROWS] = block @ direction / lengths_of(block)
        return cosines

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
    def load(path, binary=None, *, encoding="utf-8", errors="strict", limit=None):
        """Read vectors that word2vec, gensim, GloVe or `save` wrote.

        Args:
            path: a file in the word2vec text or binary format, or in GloVe's, which is the text without its
                first line; it may be compressed (gzip, bzip2, xz). Blank lines and lines of comment, which
                begin with #, are skipped.
            binary: True or False; None finds out.
            encoding: of the words.
            errors: "strict" refuses a malformed file. "skip" leaves out malformed words, and a warning says
                how many. "replace", "ignore" and other names that `bytes.decode` takes read a word that is
                not in the encoding.
            limit: read no more than this number of words, from the first on.

        Returns:
            WordVectors.

        Raises:
            OSError: there is no such file.
            ValueError: the file is malformed; the message says which line, or which word of a binary file.
        """
        return WordVectors(*vectors_files.read(path, binary, encoding=encoding, errors=errors, limit=limit))


def weighted(items, weight, name):
    """Return a list of (word or vector, weight) of an item or of a list of items."""
    if isinstance(items, str) or (isinstance(items, np.ndarray) and items.ndim == 1):
        items = [items]
    try:
        items = list(items)
    except TypeError:
        raise TypeError(f"{name} is {items!r}; expected a word, a vector, or a list of them") from None
    return [item if _is_pair(item) else (item, weight) for item in items]


def _is_pair(item):
    """Whether it is a tuple of a word or vector, and a weight."""
    return (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], (str, np.ndarray))
            and isinstance(item[1], numbers.Real))


def largest(values, number):
    """Return where the largest of some values (N,) are: integers, the largest first, and equal ones in order.

    That is np.argsort(-values, kind="stable")[:number], without sorting all.
    """
    rows = np.arange(len(values))
    if number < len(values):
        least = np.partition(values, len(values) - number)[len(values) - number]
        rows = np.flatnonzero(values >= least)
    return rows[np.argsort(-values[rows], kind="stable")][:number]


def nearest_spelling(word, index):
    """Return the word of an index {word: row} that is spelled most like `word`, or None.

    That is, in this order: the word with other capitals; the most frequent one at one edit, a letter that is
    lacking, too many, another, or swapped with the next (Norvig 2007); one of the first words with several
    letters in common.
    """
    others = [word.lower(), word.capitalize(), word.upper(), word.casefold()]
    same_letters = next((other for other in others if other in index), None)
    if same_letters:
        return same_letters
    first_words = list(itertools.islice(index, SPELLED))
    letters = set(word).union(*first_words) if len(word) <= LONGEST_SPELLED else ()
    near = min((edit for edit in one_edit_away(word, letters) if edit in index), key=index.get, default=None)
    if near is not None:
        return near
    near_in_length = [other for other in first_words if abs(len(other) - len(word)) <= 2]
    return next(iter(difflib.get_close_matches(word, near_in_length, n=1, cutoff=0.6)), None)


def one_edit_away(word, letters):
    """Yield the forms of a word if one letter is left out, swapped with the next, replaced, or put in."""
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in letters:
            yield before + letter + after[1:]
            yield before + letter + after
