"""The fast forms have the gradient of the plain form, in the mean over all of their draws."""

import itertools

import numpy as np
import pytest
from helpers import sampled

from minibert.word_vectors.word2vec_batches import cut_into_batches, group, sizes_of
from minibert.word_vectors.word2vec_fast import CBOWSegments, SkipGramSegments
from minibert.word_vectors.word2vec_plain import BinaryChoices, Context, HierarchicalSoftmax
from minibert.word_vectors.word2vec_text import huffman_tree, noise_probabilities
from minibert.word_vectors.word2vec_tree import CBOWTree, SkipGramTree

V, D, K, RUN = 7, 5, 3, 32
COUNTS = np.array([40, 21, 13, 8, 5, 3, 2])
NOISE = noise_probabilities(COUNTS)
LENGTHS = [1, 30, 3, 2, 19, 1, 9, 12]  # of sentences: some exceed a segment and cross the end of a run
TEXT = np.random.default_rng(5).choice(V, p=COUNTS / COUNTS.sum(), size=sum(LENGTHS)).astype(np.int32)
SENTENCES = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
INPUT = np.random.default_rng(1).standard_normal((V, D))
OUTPUT = np.random.default_rng(2).standard_normal((V, D))
NODES = np.random.default_rng(3).standard_normal((V - 1, D))
TREE = huffman_tree(COUNTS)


class Draws:
    """A generator of given numbers: where the first run begins, and the window of every word."""

    def __init__(self, cut, reach):
        self.cut, self.reach = cut, reach

    def integers(self, low, high=None, size=None):
        return self.cut if size is None else np.full(size, self.reach)


def neighbours(position, reach):
    """The positions in the window of a word, within its sentence."""
    return [other for other in range(position - reach, position + reach + 1)
            if other != position and 0 <= other < len(TEXT) and SENTENCES[other] == SENTENCES[position]]


def examples(window, is_cbow, shrink):
    """Yield (input words, target, probability) of all that the C program may draw from the text."""
    reaches = range(1, window + 1) if shrink else [window]
    for position, reach in itertools.product(range(len(TEXT)), reaches):
        others = neighbours(position, reach)
        if is_cbow and others:
            yield TEXT[others], TEXT[position], 1 / len(reaches)
        elif not is_cbow:
            for other in others:
                yield TEXT[[other]], TEXT[position], 1 / len(reaches)


def plain_gradients(window, is_cbow, shrink, skips_equal):
    """(d_input, d_output) of the plain form with negative sampling: the mean over all windows and noise."""
    context, output = Context(INPUT), BinaryChoices(OUTPUT)
    for words, target, probability in examples(window, is_cbow, shrink):
        hidden, context_cache = context.forward(words)
        d_hidden = 0
        for word in range(V):
            questions = [(1.0, probability)] if word == target else []
            if not (skips_equal and word == target):
                questions.append((0.0, probability * K * NOISE[word]))
            for label, weight in questions:
                _, cache = output.forward(hidden, np.array([word]), np.array([label]))
                d_hidden = d_hidden + output.backward(weight, cache)[0]
        context.backward(d_hidden, context_cache)
    return context.vectors.grad, output.vectors.grad


def fast_gradients(model_class, window, shrink, skips_equal, runs_in_a_batch=2, **options):
    """The same of the fast form: the mean over all cuts, all windows and all noise words."""
    table = np.concatenate([INPUT, OUTPUT], axis=1)
    factor = 1 - K * NOISE if skips_equal else None
    sizes = sizes_of(window, max(LENGTHS), model_class.is_cbow, RUN)
    model = model_class(runs_in_a_batch * sizes.run, D, sizes, K, target_factor=factor, shrink_windows=shrink,
                        dtype=np.float64, **options)
    d_table = np.zeros((V, 2 * D))
    reaches = range(1, window + 1) if model.is_cbow and shrink else [window]
    for cut, reach in itertools.product(range(sizes.run), reaches):
        draws = Draws(cut, reach)
        batches = cut_into_batches(TEXT, SENTENCES, sizes, runs_in_a_batch, draws, model.is_cbow, shrink)
        for word_ids, windows in zip(*batches):
            for word in range(V):  # the gradient is linear in the noise words: one at a time is enough
                groups = group(np.concatenate([word_ids, np.full(model.num_sets * K, word)]))
                d_vectors = model.gradients(table[groups.distinct], groups, windows)
                d_table[groups.distinct] += NOISE[word] / (sizes.run * len(reaches)) * d_vectors
    return d_table[:, :D], d_table[:, D:]


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(one - other).max() <= 1e-12 * np.abs(other).max()


@pytest.mark.parametrize(("window", "shrink", "skips_equal"), [
    (2, True, False), (18, False, True),
    *(pytest.param(*case, marks=pytest.mark.exhaustive)
      for case in [(2, True, True), (5, False, True), (40, False, True)])])
def test_skip_gram_has_the_expected_gradient(window, shrink, skips_equal):
    assert_same(fast_gradients(SkipGramSegments, window, shrink, skips_equal),
                plain_gradients(window, False, shrink, skips_equal))


@pytest.mark.parametrize(
    ("window", "shrink", "skips_equal"),
    sampled([(2, True, True), (2, True, False), (5, False, True), (18, False, True)], every=2))
def test_cbow_has_the_expected_gradient(window, shrink, skips_equal):
    assert_same(fast_gradients(CBOWSegments, window, shrink, skips_equal),
                plain_gradients(window, True, shrink, skips_equal))


@pytest.mark.parametrize("is_cbow", [False, True])
@pytest.mark.parametrize(
    ("window", "shrink", "num_shared"),
    sampled([(3, False, 2), (3, True, 4), (40, False, 3), (3, True, 0), (3, True, 99)], every=3))
def test_hierarchical_softmax_has_the_expected_gradient(is_cbow, window, shrink, num_shared):
    context, output = Context(INPUT), HierarchicalSoftmax(NODES, TREE)
    for words, target, probability in examples(window, is_cbow, shrink):
        hidden, context_cache = context.forward(words)
        _, cache = output.forward(hidden, target)
        context.backward(output.backward(probability, cache)[0], context_cache)
    model_class = CBOWTree if is_cbow else SkipGramTree
    sizes = sizes_of(window, max(LENGTHS), is_cbow, RUN)
    model = model_class(TREE, sizes, shrink_windows=shrink, num_shared=num_shared, dtype=np.float64)
    d_input, d_nodes = np.zeros_like(INPUT), np.zeros_like(NODES)
    reaches = range(1, window + 1) if is_cbow and shrink else [window]
    for cut, reach in itertools.product(range(sizes.run), reaches):
        batches = cut_into_batches(TEXT, SENTENCES, sizes, 1, Draws(cut, reach), is_cbow, shrink)
        for word_ids, windows in zip(*batches):
            words = group(word_ids)
            d_vectors, on_paths, d_on_paths = model.gradients(INPUT[words.distinct], NODES, words, windows)
            d_input[words.distinct] += d_vectors / (sizes.run * len(reaches))
            d_nodes[on_paths] += d_on_paths / (sizes.run * len(reaches))
    assert_same((d_input, d_nodes), (context.vectors.grad, output.choices.vectors.grad))


@pytest.mark.parametrize("has_mean", [True, False])
def test_cbow_error_as_in_the_program(has_mean, window=2):
    """Each word of a window of C words receives C times the gradient of a mean, a C-th of that of a sum."""
    d_program, _ = fast_gradients(
        CBOWSegments, window, False, True, has_mean=has_mean, error="program")
    expected = np.zeros_like(INPUT)
    for words, target, _ in examples(window, True, False):
        hidden = INPUT[words].mean(axis=0) if has_mean else INPUT[words].sum(axis=0)
        probs = 1 / (1 + np.exp(-OUTPUT @ hidden))
        weights = K * NOISE * (np.arange(V) != target)
        d_hidden = (weights * probs) @ OUTPUT + (probs[target] - 1) * OUTPUT[target]
        np.add.at(expected, words, d_hidden if has_mean else d_hidden / len(words))
    assert_same([d_program], [expected])


def test_cbow_sum_has_its_gradient():
    """With cbow_mean=0 and the error of the paper: each word of the window receives d_hidden."""
    d_input, _ = fast_gradients(CBOWSegments, 2, False, True, has_mean=False, error="paper")
    expected = np.zeros_like(INPUT)
    for words, target, _ in examples(2, True, False):
        hidden = INPUT[words].sum(axis=0)
        probs = 1 / (1 + np.exp(-OUTPUT @ hidden))
        weights = K * NOISE * (np.arange(V) != target)
        np.add.at(expected, words, (weights * probs) @ OUTPUT + (probs[target] - 1) * OUTPUT[target])
    assert_same([d_input], [expected])
