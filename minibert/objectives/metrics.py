"""How right the answers to labelled examples are: arrays or lists of strings in, numbers between 0 and 1 out.

    accuracy, f1_scores, matthews      one label an example
    exact_match, token_f1              an answer that is a stretch of text (Rajpurkar et al. 2016, "SQuAD")
    entities, entity_f1                a tag a word (Tjong Kim Sang & De Meulder 2003, "CoNLL-2003")
"""

import collections
import math
import re
import string

import numpy as np

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def confusion(predicted, labels, num_labels):
    """Return the table (K, K) of how often each label, a row, was predicted as each, a column."""
    table = np.zeros((num_labels, num_labels), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def accuracy(table):
    """Return the share of the examples on the diagonal of a confusion table.

    >>> accuracy(confusion([0, 1, 1, 1], [0, 0, 1, 1], 2))
    0.75
    """
    return float(np.trace(table) / max(1, table.sum()))


def f1_scores(table):
    """Return the F1 of each label (K,) of a confusion table; 0 where it neither occurs nor is predicted.

        precision = right / predicted    recall = right / there    F1 = 2 · right / (predicted + there)

    The macro F1 is their mean over the labels that occur or are predicted; the binary F1 is that of the label
    that is looked for.

    >>> f1_scores(confusion([0, 1, 1, 1], [0, 0, 1, 1], 2)).round(3).tolist()
    [0.667, 0.8]
    """
    right = np.diag(table)
    return 2 * right / np.maximum(1, table.sum(axis=0) + table.sum(axis=1))


def macro_f1(table):
    """Return the mean of the F1 of all labels that occur or are predicted."""
    is_there = table.sum(axis=0) + table.sum(axis=1) > 0
    return float(f1_scores(table)[is_there].mean()) if is_there.any() else 0.0


def matthews(table):
    """Return Matthews' correlation of a confusion table: 1 for all right, about 0 for guesses, −1 at least.

    For two labels it is the correlation of predictions and labels as numbers; for more, that of Gorodkin
    2004, "Comparing two K-category assignments by a K-category correlation coefficient". 0 where one of them
    is constant.

        (right · N − Σ_k predicted_k there_k) / √((N² − Σ_k predicted_k²)(N² − Σ_k there_k²))

    >>> round(matthews(confusion([0, 1, 1, 1], [0, 0, 1, 1], 2)), 4)  # 1/√3
    0.5774
    """
    number, right = float(table.sum()), float(np.trace(table))
    predicted, there = table.sum(axis=0).astype(float), table.sum(axis=1).astype(float)
    spread = (number**2 - predicted @ predicted) * (number**2 - there @ there)
    return float(right * number - predicted @ there) / math.sqrt(spread) if spread > 0 else 0.0


# --- spans of text ---


def normalized_answer(text):
    """Return an answer as SQuAD compares it: lower-cased, without punctuation and articles, single spaces.

    >>> normalized_answer("  The  Eiffel-Tower, a tower.")
    'eiffeltower tower'
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(predicted, answers):
    """Return whether an answer is the same as one of the right answers, once normalised."""
    return normalized_answer(predicted) in map(normalized_answer, answers)


def token_f1(predicted, answers):
    """Return the F1 of an answer's words against those of the right answer that it fits best.

    >>> token_f1("the big red house", ["red house", "a house"])  # 2 words of 3, and both of 2
    0.8
    """
    return max(_token_f1(normalized_answer(predicted), normalized_answer(answer)) for answer in answers)


def _token_f1(predicted, answer):
    ours, theirs = predicted.split(), answer.split()
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (collections.Counter(ours) & collections.Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs))


# --- entities ---


def entities(tags):
    """Return the entities of a sentence's tags: a list of (type, first word, one after the last).

    By the rule of CoNLL's evaluation: an entity goes on while its type does, and ends where a tag begins with
    B-, S- or U-, after one with E-, S- or L-, at another type, and at O. So IOB1, IOB2 and IOBES are read
    alike, and a tag without a dash, such as PER, goes on where it is repeated.

    >>> entities(["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-ORG"])
    [('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5), ('ORG', 5, 6)]
    """
    found, before, is_closed = [], None, True
    for place, tag in enumerate(tags):
        prefix, dash, kind = tag.partition("-")
        kind = kind if dash and len(prefix) == 1 else tag
        prefix = prefix if dash and len(prefix) == 1 else ""
        if tag == "O":
            before = None
            continue
        if before != kind or is_closed or prefix in ("B", "S", "U"):
            found.append((kind, place, place + 1))
        else:
            found[-1] = (kind, found[-1][1], place + 1)
        before, is_closed = kind, prefix in ("E", "S", "L")
    return found


def entity_f1(predicted, labels):
    """Return the F1 over the entities of all sentences; one counts as right if type and both ends are.

    Args:
        predicted, labels: lists of lists of tags.

    Returns:
        F1 over all, and {type: F1}. 1 where there are no entities and none is predicted.

    >>> entity_f1([["B-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC"]])
    (0.5, {'LOC': 1.0, 'PER': 0.0})
    """
    ours, theirs = (
        {(row, *entity) for row, tags in enumerate(sentences) for entity in entities(tags)}
        for sentences in (predicted, labels)
    )
    kinds = sorted({entity[1] for entity in ours | theirs})
    by_kind = {
        kind: _set_f1(*({each for each in found if each[1] == kind} for found in (ours, theirs)))
        for kind in kinds
    }
    return _set_f1(ours, theirs), by_kind


def _set_f1(ours, theirs):
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 1.0
