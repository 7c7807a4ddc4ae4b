"""From sentences to the numbers Word2Vec learns from: vocabulary, subsampling, noise, Huffman tree.

`read_vocabulary` counts and numbers the words; `keep_probabilities`, `noise_probabilities` and `huffman_tree`
are the three tables made from the counts.
"""

import collections
import collections.abc
import heapq
import itertools
import warnings
from typing import NamedTuple

import numpy as np

from minibert.word_vectors.vectors_files import unsaveable


class Vocabulary(NamedTuple):
    words: list  # V words, in the order of falling counts
    counts: np.ndarray  # (V,) int64
    word_ids: np.ndarray  # (T,) int32: the text without the words that are too rare
    sentence_ids: np.ndarray  # (T,) int32: the sentence of each word
    num_words: int  # of the text, the rare ones included


class HuffmanTree(NamedTuple):
    nodes: np.ndarray  # (V, L) int32: the inner nodes from the root to each word, 0 where the path has ended
    labels: np.ndarray  # (V, L) float32: 1 where the path goes to the first child, 0 to the second
    is_on_path: np.ndarray  # (V, L) bool: False where the path has ended


def read_vocabulary(sentences, min_count=5):
    """Count and number the words of an iterable of token lists, in one pass: a generator will do.

    Raises:
        TypeError: `sentences` or one of them is not a list.
        ValueError: a sentence is a string, a word is not, there is no text, no word occurs `min_count`
            times, or no sentence keeps two words, so that none has a neighbour.
    """
    number_of = collections.defaultdict()
    number_of.default_factory = number_of.__len__  # a new word gets the next number
    lengths = []
    tokens = itertools.chain.from_iterable(_measured(sentences, lengths))
    try:
        numbers = np.fromiter(map(number_of.__getitem__, tokens), np.int32)     # (all words,)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        raise TypeError(f"a word must be a str, got a list or similar in sentence {len(lengths)}: sentences "
                        "are lists of words; of lists of sentences, make one with [sentence for document in "
                        "documents for sentence in document]") from None
    if len(numbers) == 0:
        raise ValueError("there is no text: sentences must hold lists of words, as in [['the', 'king'], "
                         "['the', 'queen']]")
    others = [word for word in number_of if not isinstance(word, str)]
    if others:
        raise ValueError(f"a word must be a str, got {others[0]!r}: sentences are lists of words")
    counts = np.bincount(numbers)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    if len(order) == 0:
        raise ValueError(f"no word occurs {min_count} times or more (min_count={min_count}); the largest "
                         f"count of {len(counts):,} words is {counts.max()}: give more text or a lower "
                         "min_count")
    new_number = np.full(len(counts), -1, np.int32)
    new_number[order] = np.arange(len(order))
    word_ids = new_number[numbers]
    sentence_ids = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    is_kept = word_ids >= 0
    word_ids, sentence_ids = word_ids[is_kept], sentence_ids[is_kept]
    if not (sentence_ids[1:] == sentence_ids[:-1]).any():
        raise ValueError(f"no sentence of {len(lengths)} has two words that occur {min_count} times or more "
                         f"(min_count={min_count}), so no word has a neighbour to learn from: give more text "
                         "or a lower min_count")
    all_words = list(number_of)
    words = [all_words[number] for number in order]
    problems = unsaveable(words)
    if problems:
        warnings.warn(f"number of words that no file of vectors can hold: {len(problems)}, for instance "
                      f"{problems[0]!r} (empty, or with a space or half a surrogate pair). `save` will "
                      "refuse the vectors: change these words first, put _ for a space", stacklevel=3)
    return Vocabulary(words=words,
                      counts=counts[order],
                      word_ids=word_ids,
                      sentence_ids=sentence_ids,
                      num_words=len(numbers))


def check_two_words(vocabulary, min_count):
    """Raise a ValueError for a Vocabulary of one word."""
    if len(vocabulary.words) < 2:
        raise ValueError(f"the text has one word only, {vocabulary.words[0]!r}, without those below "
                         f"min_count={min_count}: there is no other to compare it with; give more text "
                         "or a lower min_count")


def _measured(sentences, lengths):
    """Yield the sentences, and append the length of each to `lengths`."""
    if isinstance(sentences, (str, bytes)):
        raise ValueError("sentences must be lists of words, got one string: split it into sentences and "
                         "these into words")
    if not isinstance(sentences, collections.abc.Iterable):
        raise TypeError(f"sentences is {sentences!r}; it must be lists of words, as in [['the', 'king'], "
                        "['the', 'queen']]")
    for sentence in sentences:
        if isinstance(sentence, str):
            raise ValueError(f"a sentence must be a list of words, got the string {sentence[:40]!r}: give "
                             "[sentence.split() for sentence in sentences], or put your one sentence into a "
                             "list")
        if isinstance(sentence, bytes) or not hasattr(sentence, "__iter__"):
            raise TypeError(f"sentence {len(lengths) + 1} is {sentence!r}; it must be a list of words")
        sentence = sentence if hasattr(sentence, "__len__") else list(sentence)
        lengths.append(len(sentence))
        yield sentence


def keep_probabilities(counts, sample, formula="program"):
    """Return the probability that a word stays in the text when frequent words are thinned out: (V,).

    With f = count / (words of the text) and t = sample: √(t/f) + t/f, at most 1, in the C program and gensim
    ("program"), and √(t/f) in the paper (Mikolov et al. 2013b, equation 5: it is discarded with 1 − √(t/f);
    "paper"). sample=0 keeps all.
    """
    if sample == 0:
        return np.ones(len(counts))
    ratio = sample * counts.sum() / counts
    return np.minimum(1, np.sqrt(ratio) + ratio if formula == "program" else np.sqrt(ratio))


def noise_probabilities(counts, exponent=0.75):
    """Return the distribution of noise words (V,): proportional to count^0.75 (2013b, section 2.2)."""
    powers = counts.astype(np.float64) ** exponent
    return powers / powers.sum()


def huffman_tree(counts):
    """Return the HuffmanTree of words with these counts (V,): frequent words have short paths.

    The V - 1 inner nodes are binary decisions. Begin with a tree for each word; join the two of the smallest
    counts, again and again (Huffman 1952).

    Raises:
        ValueError: there are fewer than two words.
    """
    num_words = len(counts)
    if num_words < 2:
        raise ValueError("hierarchical softmax needs two words or more: with one there is nothing to decide")
    heap = [(int(count), word) for word, count in enumerate(counts)]
    heapq.heapify(heap)
    parent, bit = {}, {}
    for node in range(num_words, 2 * num_words - 1):
        (first_count, first), (second_count, second) = heapq.heappop(heap), heapq.heappop(heap)
        parent[first], bit[first] = node, 0
        parent[second], bit[second] = node, 1
        heapq.heappush(heap, (first_count + second_count, node))
    root = 2 * num_words - 2
    paths = []
    for word in range(num_words):
        path, item = [], word
        while item != root:
            path.append((parent[item] - num_words, 1 - bit[item]))
            item = parent[item]
        paths.append(path[::-1])
    length = max(map(len, paths))
    nodes = np.zeros((num_words, length), np.int32)
    labels = np.zeros((num_words, length), np.float32)
    is_on_path = np.zeros((num_words, length), bool)
    for word, path in enumerate(paths):
        nodes[word, :len(path)], labels[word, :len(path)] = zip(*path)
        is_on_path[word, :len(path)] = True
    return HuffmanTree(nodes, labels, is_on_path)
