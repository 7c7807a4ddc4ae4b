"""How good are word vectors? Two tasks with known answers: similarity of words, and analogies.

The files are text, a question a line; # begins a comment.

    similarity    word, word, rating, separated by tabs, semicolons, commas, bars, colons or spaces, with
                  quotation marks or not; a rating is 8.58 or 8,58. There may be headings, and other columns
                  (SimLex-999): the first column of numbers after the words is that of the ratings
    analogies     ": name" begins a section, four words are a question (word2vec's questions-words.txt),
                  separated likewise, or as in a:b::c:d

A word that is not among the vectors as it is written is looked up in lower case. Questions with a word that
is not there at all are left out; their number is part of the result, because a score over few questions says
little. So are lines whose cell for a word or the rating is empty or holds no number.
"""

import collections
import csv
import re
from typing import NamedTuple

import numpy as np

QUESTIONS_AT_A_TIME = 256  # in the matrix of cosines: 256 questions and 100,000 words are 100 MB


class EvaluationFileError(ValueError):
    """A file of questions is malformed; the message names the line and the form expected."""


class SimilarityResult(NamedTuple):
    spearman: float  # rank correlation of cosines and ratings; nan for fewer than two pairs
    num_pairs: int  # pairs whose words both have a vector
    num_missing: int  # pairs with a word that has no vector
    missing_words: list  # these words, each once
    num_skipped: int = 0  # lines without a word or a rating

    def __str__(self):
        skipped = f"; lines without a word or a rating: {self.num_skipped}" if self.num_skipped else ""
        return (f"Spearman {self.spearman:.3f} over {self.num_pairs} pairs; {self.num_missing} pairs had a "
                f"word without a vector{skipped}")


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
    pairs, num_skipped = read_pairs(path)
    for first, second, rating in pairs:
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
    return SimilarityResult(spearman=spearman(cosines, np.array(ratings)),
                            num_pairs=len(rows),
                            num_missing=num_missing,
                            missing_words=list(missing_words),
                            num_skipped=num_skipped)


def evaluate_analogies(vectors, path):
    """Return a list of SectionResult, one a section of the file, and last one named "total".

    A question is answered right if the fourth word is the nearest to b - a + c of all words but a, b and c
    ("3CosAdd").

    Raises:
        OSError: there is no such file.
        EvaluationFileError: a line is malformed, or the file holds no questions.
    """
    lengths = lengths_of(vectors.vectors)                                       # (V,)
    results = []
    for name, questions in read_analogies(path).items():
        rows = [[_find(vectors, word) for word in question] for question in questions]
        known = [row for row in rows if None not in row]
        num_correct = 0
        for start in range(0, len(known), QUESTIONS_AT_A_TIME):
            some = np.array(known[start:start + QUESTIONS_AT_A_TIME])           # (questions, 4)
            first, second, third, answer = some.T                               # (questions,) each
            units = unit_rows(vectors.vectors[some])                            # (questions, 4, D)
            direction = units[:, 1] - units[:, 0] + units[:, 2]                 # (questions, D)
            cosines = direction @ vectors.vectors.T  # (questions, V), times the length of each direction
            cosines /= lengths
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
    return vectors / lengths_of(vectors)[..., np.newaxis]


def lengths_of(vectors):
    """Return the length of each row (N, D), or of one vector (D,), and 1 in place of 0."""
    lengths = np.sqrt(np.einsum("...d,...d->...", vectors, vectors))            # (N,), without a second table
    return np.where(lengths > 0, lengths, 1).astype(lengths.dtype)


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

HEADING = re.compile(r"\w+[ _-](word|term|token|item)|(word|term|token|item|w)[ _-]*(\d+|[abxy]|one|two)|\d+",
                     re.IGNORECASE)  # "first word", "Word 1", "w2", "0"
MANY = 10  # ratings that show that one is out of range
DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
SEPARATORS = ("\t", ";", ",", "|", ":", None)  # None: white space
NO_RATING = ("", "-", "?", "na", "n/a", "nan", "none", "null")


def read_pairs(path):
    """Return a list of (word, word, rating) of a similarity file, and the number of lines that were skipped.

    The separator and the columns are those that most lines have in common. Errors as in evaluate_similarity.
    """
    lines = [(number, line) for number, line in _lines(path) if any(map(str.isalnum, line))]
    if not lines:
        raise EvaluationFileError(f"{path} holds no pairs: a line is two words and a rating, separated by "
                                  "tabs")
    separator = max(SEPARATORS, key=lambda each: sum(_is_rated(_cells(line, each)) for _, line in lines))
    table = [(number, line, _cells(line, separator)) for number, line in lines]
    first, second, rating = _columns([cells for _, _, cells in table])
    pairs, num_skipped, first_is_pair = [], 0, False
    for place, (number, line, cells) in enumerate(table):
        has_rating = len(cells) > rating
        value = _number(cells[rating]) if has_rating else None
        if value is not None and cells[first] and cells[second]:
            pairs.append((cells[first], cells[second], value))
            first_is_pair = first_is_pair or place == 0
        elif has_rating and (place or cells[rating].lower() in NO_RATING):
            num_skipped += 1
        elif place:  # the first line may be headings
            raise EvaluationFileError(f"{path}, line {number}: expected two words and a rating, got {line!r}")
    if first_is_pair and _is_heading(pairs):
        pairs.pop(0)
    if not pairs:
        raise EvaluationFileError(f"{path} holds no pairs: a line is two words and a rating, separated by "
                                  "tabs")
    _refuse_cut_numbers(path, table, separator, rating)
    return pairs, num_skipped


def read_analogies(path):
    """Return {section: list of [a, b, c, d]} of an analogy file; errors as in evaluate_analogies."""
    sections = {}
    name = "questions"  # those before the first section
    for number, line in _lines(path):
        words = line.split()
        if words[0].startswith(":"):
            name = line[1:].strip() or "questions"
            continue
        if len(words) != 4 or all(word[-1] in ",;:" for word in words[:3]):
            cells_by_mark = [_cells(line, mark) for mark in "\t;,|:"]
            words = next((cells for cells in cells_by_mark if len(cells) == 4), words)
        if len(words) != 4 or not all(words):
            raise EvaluationFileError(f"{path}, line {number}: expected four words, or a section as in "
                                      f"': family', got {line!r}")
        sections.setdefault(name, []).append(words)
    if not sections:
        raise EvaluationFileError(f"{path} holds no questions: a line is four words, as in 'man king woman "
                                  "queen'")
    return sections


def _cells(line, separator):
    """Return the cells of a line, without quotation marks; None separates at white space, : also at ::."""
    if separator is None and '"' not in line:
        return line.split()
    if separator == ":":
        line = line.replace("::", ":")
    try:
        (cells,) = csv.reader([line], delimiter=separator or " ", skipinitialspace=True)
    except csv.Error:  # a cell of more than 131,072 characters
        cells = line.split(separator)
    return [cell.strip() for cell in cells]


def _number(cell):
    """Return the number in a cell, with a decimal point or comma, or None."""
    cell = cell.replace("\N{MINUS SIGN}", "-")
    if DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _is_rated(cells):
    """Whether the cells of a line are two words or more and then a number."""
    is_number = [_number(cell) is not None for cell in cells]
    words = [place for place, (cell, number) in enumerate(zip(cells, is_number)) if cell and not number]
    return len(words) > 1 and any(is_number[words[1]:])


def _columns(table):
    """Return the columns of the two words and of the rating in rows of cells."""
    width = collections.Counter(map(len, table)).most_common(1)[0][0]
    filled = [[cells[column] for cells in table if len(cells) > column and cells[column]]
              for column in range(width)]
    is_numeric = [2 * sum(_number(cell) is not None for cell in cells) > len(cells) for cells in filled]
    words = [column for column in range(width) if filled[column] and not is_numeric[column]][:2]
    if len(words) < 2:
        words = [0, 1]
    rating = next((column for column in range(words[1] + 1, width) if is_numeric[column]), words[1] + 1)
    return *words, rating


def _is_heading(pairs):
    """Whether the first pair is headings that happen to have a number for the rating, such as a year."""
    first, second, rating = pairs[0]
    others = [other for _, _, other in pairs[1:]]
    if not others:
        return False
    least, most = min(others), max(others)
    is_far = not 2 * least - most <= rating <= 2 * most - least
    return bool(HEADING.fullmatch(first) and HEADING.fullmatch(second)) or (is_far and len(others) >= MANY)


def _refuse_cut_numbers(path, table, separator, rating):
    """Raise if commas may separate columns and decimals alike: after the words come whole numbers only."""
    rests = [cells[rating:] for place, (_, _, cells) in enumerate(table)
             if len(cells) > rating and (place or cells[rating].lower() in NO_RATING
                                         or _number(cells[rating]) is not None)]
    may_be_cut = all(len(rest) <= 2 and all(map(str.isdigit, rest)) for rest in rests)
    if separator == "," and may_be_cut and any(len(rest) == 2 for rest in rests):
        number, line, _ = table[-1]
        raise EvaluationFileError(f"{path}, line {number}: in {line!r} the last comma may separate columns, "
                                  "or be that of a decimal number: separate columns by tabs or semicolons")


def _lines(path):
    """Yield (number, line) for the lines of a file that are neither blank nor comments."""
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip() and not line.startswith("#"):
                    yield number, line.strip("\n ")
        except UnicodeDecodeError as error:
            raise EvaluationFileError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from None


def _find(vectors, word):
    """Return the row of a word as it is written, or else in lower case, or None."""
    return vectors.index.get(word, vectors.index.get(word.lower()))
