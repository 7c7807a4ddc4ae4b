"""How good are word vectors? Two tasks with known answers: similarity of words, and analogies.

The files are text, a question a line; # begins a comment.

    similarity    word, word, rating, separated by tabs, commas or spaces. The first line may be headings, and
                  there may be other columns (SimLex-999): the first number after the words is the rating
    analogies     ": name" begins a section, four words are a question (word2vec's questions-words.txt)

A word that is not among the vectors as it is written is looked up in lower case. Questions with a word that
is not there at all are left out; their number is part of the result, because a score over few questions says
little.
"""

import re
from typing import NamedTuple

import numpy as np

QUESTIONS_AT_A_TIME = 256  # in the matrix of cosines: 256 questions and 100,000 words are 100 MB


class EvaluationFileError(ValueError):
    """A file of questions is malformed; the message says which line and what was expected."""


class SimilarityResult(NamedTuple):
    spearman: float  # rank correlation of cosines and ratings; nan for fewer than two pairs
    num_pairs: int  # pairs whose words both have a vector
    num_missing: int  # pairs with a word that has no vector
    missing_words: list  # these words, each once

    def __str__(self):
        return (f"Spearman {self.spearman:.3f} over {self.num_pairs} pairs; {self.num_missing} pairs had a "
                "word without a vector")


class SectionResult(NamedTuple):
    name: str
    num_correct: int
    num_questions: int  # questions whose words all have a vector
    num_missing: int  # questions with a word that has no vector

    @property
    def accuracy(self):
        """num_correct / num_questions; nan for no questions."""
        return self.num_correct / self.num_questions if self.num_questions else float("nan")

    def __str__(self):
        return (f"{self.name}: {self.accuracy:.1%} of {self.num_questions}; {self.num_missing} had a word "
                "without a vector")


def evaluate_similarity(vectors, path):
    """Return the SimilarityResult of WordVectors on a file of rated pairs.

    Raises:
        OSError: there is no such file.
        EvaluationFileError: a line is malformed, or the file holds no pairs.
    """
    rows, ratings, missing_words, num_missing = [], [], {}, 0
    for first, second, rating in read_pairs(path):
        pair = [_find(vectors, first), _find(vectors, second)]
        if None in pair:
            missing_words |= {word: True for word, row in zip((first, second), pair) if row is None}
            num_missing += 1
        else:
            rows.append(pair)
            ratings.append(rating)
    cosines = np.zeros(0)
    if rows:
        first, second = unit_rows(vectors.vectors[np.array(rows).T])           # (pairs, D) each
        cosines = (first * second).sum(axis=1)                                  # (pairs,)
    return SimilarityResult(spearman(cosines, np.array(ratings)), len(rows), num_missing, list(missing_words))


def evaluate_analogies(vectors, path):
    """Return a list of SectionResult, one a section of the file, and last one named "total".

    A question is answered right if the fourth word is the nearest to b - a + c of all words but a, b and c
    ("3CosAdd").

    Raises:
        OSError: there is no such file.
        EvaluationFileError: a line is malformed, or the file holds no questions.
    """
    unit_vectors = unit_rows(vectors.vectors)                                  # (V, D)
    results = []
    for name, questions in read_analogies(path).items():
        rows = [[_find(vectors, word) for word in question] for question in questions]
        known = [row for row in rows if None not in row]
        num_correct = 0
        for start in range(0, len(known), QUESTIONS_AT_A_TIME):
            some = np.array(known[start:start + QUESTIONS_AT_A_TIME])           # (questions, 4)
            first, second, third, answer = some.T                               # (questions,) each
            direction = unit_vectors[second] - unit_vectors[first] + unit_vectors[third]  # (questions, D)
            cosines = direction @ unit_vectors.T  # (questions, V), times the length of each direction
            for given in (first, second, third):
                cosines[np.arange(len(given)), given] = -np.inf
            num_correct += int((cosines.argmax(axis=1) == answer).sum())
        results.append(SectionResult(name, num_correct, len(known), len(rows) - len(known)))
    total = SectionResult(name="total",
                          num_correct=sum(result.num_correct for result in results),
                          num_questions=sum(result.num_questions for result in results),
                          num_missing=sum(result.num_missing for result in results))
    return [*results, total]


def unit_rows(vectors):
    """Scale each row (N, D), or one vector (D,), to length one; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def spearman(x, y):
    """Return Spearman's rank correlation of x and y (N,): Pearson's correlation of their ranks.

    Ties share the mean of their ranks. nan where it is not defined: for fewer than two values, or where all
    of x or all of y are equal.
    """
    if len(x) < 2:
        return float("nan")
    x_ranks, y_ranks = ranks(x), ranks(y)
    x_centred, y_centred = x_ranks - x_ranks.mean(), y_ranks - y_ranks.mean()
    scale = np.sqrt((x_centred @ x_centred) * (y_centred @ y_centred))
    return float(x_centred @ y_centred / scale) if scale > 0 else float("nan")


def ranks(values):
    """Return the rank of each value (N,) from 1 up; values that are equal share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(count)  # of each different value
    return (last_rank - (count - 1) / 2)[place]


# --- files ---


def read_pairs(path):
    """Return a list of (word, word, rating) of a similarity file; errors as in evaluate_similarity."""
    pairs = []
    is_first = True
    for number, line in _lines(path):
        separator = r"[\t,;]" if re.search(r"[\t,;]", line) else r"\s+"
        fields = [field.strip() for field in re.split(separator, line)]
        numbers = [float(field) for field in fields[2:] if _is_number(field)]
        if numbers and all(fields[:2]):
            pairs.append((fields[0], fields[1], numbers[0]))
        elif not is_first:  # the first line may be headings
            raise EvaluationFileError(f"{path}, line {number}: expected two words and a rating, got {line!r}")
        is_first = False
    if not pairs:
        raise EvaluationFileError(f"{path} holds no pairs: a line is two words and a rating, separated by "
                                  "tabs")
    return pairs


def read_analogies(path):
    """Return {section: list of [a, b, c, d]} of an analogy file; errors as in evaluate_analogies."""
    sections = {}
    name = "questions"  # those before the first section
    for number, line in _lines(path):
        words = line.split()
        if words[0].startswith(":"):
            name = line[1:].strip() or "questions"
        elif len(words) == 4:
            sections.setdefault(name, []).append(words)
        else:
            raise EvaluationFileError(f"{path}, line {number}: expected four words, or a section as in "
                                      f"': family', got {line!r}")
    if not sections:
        raise EvaluationFileError(f"{path} holds no questions: a line is four words, as in 'man king woman "
                                  "queen'")
    return sections


def _lines(path):
    """Yield (number, line) for the lines of a file that are neither blank nor comments."""
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip() and not line.startswith("#"):
                    yield number, line.strip()
        except UnicodeDecodeError as error:
            raise EvaluationFileError(f"{path} is not UTF-8: {error}") from None


def _is_number(field):
    try:
        return np.isfinite(float(field))
    except ValueError:
        return False


def _find(vectors, word):
    """Return the row of a word as it is written, or else in lower case, or None."""
    return vectors.index.get(word, vectors.index.get(word.lower()))
