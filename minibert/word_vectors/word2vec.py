"""Word2Vec: vectors of words, learned from the words around them (Mikolov et al. 2013).

    vectors = Word2Vec(sentences)              # skip-gram with negative sampling
    vectors.most_similar("king")

word2vec_plain.py has the model with its derivation, one pair at a time. word2vec_fast.py and word2vec_tree.py
have the same gradients for many words at a time, word2vec_text.py the tables made from the text. This file
puts them together: vocabulary, then batches, then a step down the gradient for each.
"""

import warnings
from typing import NamedTuple

import numpy as np

from minibert.word_vectors import word2vec_fast, word2vec_tree
from minibert.word_vectors.checks import check_choice, check_number, check_whole, refuse_others
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec_batches import RUN, cut_into_batches, sizes_of
from minibert.word_vectors.word2vec_fast import CBOWSegments, SkipGramSegments, step_segments
from minibert.word_vectors.word2vec_text import (
    check_two_words,
    huffman_tree,
    keep_probabilities,
    noise_probabilities,
    read_vocabulary,
)
from minibert.word_vectors.word2vec_tree import CBOWTree, SkipGramTree, step_tree

BATCHES_AN_EPOCH = 64  # at least so many steps: where the text is small, batches are made smaller
PART = 1 << 21  # words of a text that are cut into batches at a time
BATCHES_A_REPORT = 32
FEW_KEPT, FEW_PAIRED = 0.2, 0.01  # shares of the text, for a warning


class Options(NamedTuple):
    """The arguments of Word2Vec, which documents them, without those that change no vector."""

    vector_size: int
    window: int
    negative: int
    sg: int
    hs: int
    sample: float
    min_count: int
    alpha: float
    epochs: int
    seed: int
    min_alpha: float
    ns_exponent: float
    cbow_mean: int
    shrink_windows: bool
    subsampling: str
    cbow_error: str
    equal_negatives: str


class Tables(NamedTuple):
    """The numbers that are trained."""

    vectors: np.ndarray  # (V, 2D) float32: [input | output] of each word
    nodes: np.ndarray  # (V - 1, D) float32, of the Huffman tree; None without hierarchical softmax


class Word2Vec(WordVectors):
    """Word vectors trained on sentences. Parameter names and defaults are gensim's, except that sg is 1.

    Args:
        sentences: an iterable of lists of words; it is read once.
        vector_size: D.
        window: the largest distance of two words that are neighbours; no window leaves its sentence. The
            time of a batch grows with it, and from 64 on the memory too.
        negative: noise words for each pair; 0 for none.
        sg: 1 for skip-gram (a word predicts its neighbours), 0 for CBOW (they predict it).
        hs: 1 for hierarchical softmax; with negative above 0, both are trained.
        sample: threshold of subsampling: a word that makes up more of the text is thinned out; 0 for none.
        min_count: words that are rarer are left out of the text.
        alpha, min_alpha: the learning rate at the start and at the end; it falls in a straight line.
        epochs: how often the text is read.
        seed: of all random numbers; equal seeds give equal vectors.
        ns_exponent: noise words are drawn in proportion to count to this power.
        cbow_mean: 1 for the mean of the window's vectors, 0 for their sum.
        shrink_windows: a window of 1 to `window` is drawn for each word, so that near words weigh more.

        Where the C program (and gensim) differs from the paper, "program" or "paper": subsampling: keep a
        word with probability √(t/f) + t/f, or √(t/f). cbow_error: each word of a window receives the
        undivided error, or the gradient, a C-th of it for C words. equal_negatives: a noise word equal to the
        target is skipped, or counts like others.

        workers: accepted for gensim's sake. One thread trains, whatever it is: the same seed gives the same
            vectors.
        on_progress: a function called during training with the number of words read since the last call.

    Attributes: those of WordVectors; vectors are the input vectors. Further
        output_vectors: (V, D), the vectors of words as targets; None without negative sampling.
        node_vectors: (V - 1, D), those of the nodes of the Huffman tree; None without hierarchical softmax.
        num_words: words of the text, those left out included.

    Raises:
        TypeError: an argument is of another kind; the message names it and the kind expected.
        ValueError: an argument is out of range, sentences are not lists of words, or no pair of words is
            left.
        FloatingPointError: the vectors are no longer finite; alpha is too large.
    """

    def __init__(self, sentences, vector_size=100, window=5, negative=5, sg=1, hs=0, sample=1e-3, min_count=5,
                 alpha=0.025, epochs=5, seed=0, *, min_alpha=1e-4, ns_exponent=0.75, cbow_mean=1,
                 shrink_windows=True, subsampling="program", cbow_error="program", equal_negatives="program",
                 workers=1, on_progress=None, **others):
        refuse_others("Word2Vec", others)
        options = Options(
            vector_size=vector_size, window=window, negative=negative, sg=sg, hs=hs, sample=sample,
            min_count=min_count, alpha=alpha, epochs=epochs, seed=seed, min_alpha=min_alpha,
            ns_exponent=ns_exponent, cbow_mean=cbow_mean, shrink_windows=shrink_windows,
            subsampling=subsampling, cbow_error=cbow_error, equal_negatives=equal_negatives)
        check_options(options)
        check_whole(1, workers=workers)
        if on_progress is not None and not callable(on_progress):
            raise TypeError(f"on_progress is {on_progress!r}; it must be a function of a number of words")
        vocabulary = read_vocabulary(sentences, min_count)
        check_two_words(vocabulary, min_count)
        tables = train(vocabulary, options, on_progress)
        super().__init__(vocabulary.words, tables.vectors[:, :vector_size].copy(), vocabulary.counts)
        self.output_vectors = tables.vectors[:, vector_size:].copy() if negative else None
        self.node_vectors = tables.nodes
        self.num_words = vocabulary.num_words


def check_options(options):
    """Raise for Options that are out of range, or of another type."""
    check_whole(1, vector_size=options.vector_size, window=options.window, min_count=options.min_count,
                epochs=options.epochs)
    check_whole(0, negative=options.negative, seed=options.seed)
    check_number(0, sample=options.sample, alpha=options.alpha, min_alpha=options.min_alpha)
    check_number(-np.inf, ns_exponent=options.ns_exponent)
    for name in ("sg", "hs", "cbow_mean", "shrink_windows"):
        check_choice((0, 1), **{name: getattr(options, name)})
    for name in ("subsampling", "cbow_error", "equal_negatives"):
        check_choice(("program", "paper"), **{name: getattr(options, name)})
    if not options.negative and not options.hs:
        raise ValueError("negative is 0 and hs is 0: nothing would be learned; give one of them")


def train(vocabulary, options, on_progress=None):
    """Return the Tables after `epochs` times through the text; one step down the gradient for each batch."""
    from threadpoolctl import threadpool_limits  # not needed to import minibert

    rng = np.random.default_rng(options.seed)
    keep_probs = keep_probabilities(vocabulary.counts, options.sample, options.subsampling).astype(np.float32)
    noise_probs = noise_probabilities(vocabulary.counts, options.ns_exponent)
    cumulative = np.cumsum(noise_probs)
    cumulative /= cumulative[-1]
    tables = random_tables(len(vocabulary.counts), options, rng)
    num_kept = keep_probs[vocabulary.word_ids].sum()
    warn_if_thinned_away(vocabulary, keep_probs, num_kept, options)
    sizes = sizes_of(options.window, np.bincount(vocabulary.sentence_ids).max(), not options.sg)
    runs_in_a_batch = batch_length(num_kept, sizes, options)
    segments = segment_model(noise_probs, runs_in_a_batch * sizes.run, sizes, options)
    tree = tree_model(vocabulary.counts, sizes, options)
    batches = batches_of(vocabulary, keep_probs, sizes, runs_in_a_batch, rng, options)
    with threadpool_limits(1, "blas"):  # small products: a second thread costs more than it gives
        for word_ids, windows, progress, num_read in batches:
            falling_rate = options.alpha - (options.alpha - options.min_alpha) * progress
            rate = np.float32(max(falling_rate, options.min_alpha))
            if segments is not None:
                draws = rng.random(segments.num_sets * options.negative)
                negatives = cumulative.searchsorted(draws, side="right")        # (sets · K,)
                step_segments(segments, tables.vectors, word_ids, windows, negatives, rate)
            if tree is not None:
                step_tree(tree, tables.vectors, tables.nodes, word_ids, windows, rate)
            if num_read:
                report(tables, word_ids, progress, num_read, options, on_progress)
    return tables


def report(tables, word_ids, progress, num_read, options, on_progress):
    """Check that the vectors of a batch are finite, and call on_progress."""
    if not np.isfinite(tables.vectors[word_ids]).all():
        raise FloatingPointError(f"the vectors are no longer finite after {progress:.0%} of the training; "
                                 f"try a learning rate below alpha={options.alpha:g}")
    if on_progress is not None:
        on_progress(num_read)


def random_tables(vocab_size, options, rng):
    """Return the Tables at the start: random input vectors within ±0.5/D, and zeros."""
    size = options.vector_size
    vectors = np.zeros((vocab_size, 2 * size), np.float32)
    vectors[:, :size] = rng.uniform(-0.5, 0.5, (vocab_size, size)) / size
    nodes = np.zeros((vocab_size - 1, size), np.float32) if options.hs else None
    return Tables(vectors, nodes)


def warn_if_thinned_away(vocabulary, keep_probs, num_kept, options):
    """Warn where subsampling leaves so little of the text that hardly a pair is learned from."""
    num_words = len(vocabulary.word_ids)
    if num_kept > FEW_KEPT * num_words:
        return
    draws = np.random.default_rng(options.seed).random(num_words, np.float32)
    is_kept = draws < keep_probs[vocabulary.word_ids]                           # (T,)
    kept_in = np.bincount(vocabulary.sentence_ids[is_kept], minlength=1)
    num_paired = int(kept_in[kept_in > 1].sum())
    if num_paired < FEW_PAIRED * num_words:
        warnings.warn(
            f"sample={options.sample:g} leaves {num_kept:,.0f} of {num_words:,} words in an epoch, and "
            f"{num_paired:,} of them with a neighbour: hardly anything is learned. Try a larger sample, or "
            "sample=0 for no subsampling", stacklevel=4)


def batch_length(num_kept, sizes, options):
    """Return the number of runs in a batch, for a text of `num_kept` words after subsampling."""
    words_in_a_batch = RUN * (word2vec_tree.RUNS_IN_A_BATCH if options.hs else word2vec_fast.RUNS_IN_A_BATCH)
    largest = max(words_in_a_batch // sizes.run, 1)
    return int(np.clip(num_kept / (BATCHES_AN_EPOCH * sizes.run), 1, largest))


def segment_model(noise_probs, num_words, sizes, options):
    """Return the model with negative sampling for batches of N words; None for negative=0."""
    if not options.negative:
        return None
    skips_equal = options.equal_negatives == "program"
    weights = {"target_factor": 1 - options.negative * noise_probs if skips_equal else None,
               "shrink_windows": options.shrink_windows}
    if options.sg:
        return SkipGramSegments(num_words, options.vector_size, sizes, options.negative, **weights)
    return CBOWSegments(num_words, options.vector_size, sizes, options.negative, **weights,
                        has_mean=bool(options.cbow_mean), error=options.cbow_error)


def tree_model(counts, sizes, options):
    """Return the model with hierarchical softmax; None for hs=0."""
    if not options.hs:
        return None
    tree = huffman_tree(counts)
    if options.sg:
        return SkipGramTree(tree, sizes, shrink_windows=options.shrink_windows)
    return CBOWTree(tree, sizes, shrink_windows=options.shrink_windows, has_mean=bool(options.cbow_mean),
                    error=options.cbow_error)


def batches_of(vocabulary, keep_probs, sizes, runs_in_a_batch, rng, options):
    """Yield (word_ids, windows, progress, num_read) of every batch of all epochs.

    word_ids and windows are (N,) integers. `progress` is the fraction of the training that is done.
    `num_read` is the number of words read since the last report, or 0 where none is due. Every epoch is
    thinned out and cut anew.
    """
    num_parts = -(-len(vocabulary.word_ids) // PART)  # rounded up
    total_parts = options.epochs * num_parts
    reported = 0
    for part in range(total_parts):
        some = slice(part % num_parts * PART, (part % num_parts + 1) * PART)
        word_ids, sentence_ids = vocabulary.word_ids[some], vocabulary.sentence_ids[some]
        is_kept = rng.random(len(word_ids), np.float32) < keep_probs[word_ids]
        batches = cut_into_batches(word_ids[is_kept], sentence_ids[is_kept], sizes, runs_in_a_batch, rng,
                                   not options.sg, options.shrink_windows)
        num_batches = len(batches[0])
        for number, (batch_ids, windows) in enumerate(zip(*batches)):
            is_last = number == num_batches - 1
            is_due = is_last or number % BATCHES_A_REPORT == BATCHES_A_REPORT - 1
            num_read = 0
            if is_due:
                done = (part + (number + 1) / num_batches) / total_parts
                num_read = int(done * options.epochs * vocabulary.num_words) - reported
            reported += num_read
            yield batch_ids, windows, (part + number / num_batches) / total_parts, num_read
