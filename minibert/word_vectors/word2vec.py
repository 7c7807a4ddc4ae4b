"""Word2Vec: vectors of words, learned from the words that stand around them (Mikolov et al. 2013).

    vectors = Word2Vec(sentences)              # skip-gram with negative sampling
    vectors.most_similar("king")

word2vec_plain.py has the model with its derivation, one pair at a time; word2vec_fast.py the same gradients for a
thousand words at a time; word2vec_text.py what is made of the text before. This file draws, steps and counts.
"""

import numpy as np

from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec_fast import (
    BATCHES_AN_EPOCH,
    RUN,
    RUNS_IN_A_BATCH,
    RUNS_IN_A_TREE_BATCH,
    CBOWSegments,
    SkipGramSegments,
    TreeBatch,
    cut_into_batches,
)  # fmt: skip
from minibert.word_vectors.word2vec_text import (
    huffman_tree,
    keep_probabilities,
    noise_probabilities,
    read_vocabulary,
)

PART = 1 << 21  # words of a text that are cut into batches at a time
BATCHES_A_REPORT = 32


class Word2Vec(WordVectors):
    """Word vectors trained on sentences. Parameter names and defaults are gensim's, but for sg, which is 1.

    Args:
        sentences: an iterable of lists of words; it is read once.
        vector_size: D.  window: the largest distance of two words that are neighbours; no window leaves its sentence.
        min_count: words that are rarer are left out of the text.
        sg: 1 for skip-gram (a word predicts its neighbours), 0 for CBOW (they predict it).
        negative: noise words for each pair; 0 for none.
        hs: 1 for hierarchical softmax; with negative above 0, both are trained.
        sample: threshold of subsampling; a word with a larger share of the text is thinned out; 0 for no subsampling.
        alpha, min_alpha: the learning rate at the start and at the end; it falls in a straight line.
        epochs: how often the text is read.
        seed: of everything that is random; equal seeds give equal vectors.
        ns_exponent: noise words are drawn in proportion to count to this power.
        cbow_mean: 1 for the mean of the window's vectors, 0 for their sum.
        shrink_windows: a window of 1 to `window` is drawn for each word, so that near words weigh more.

        Where the C program (and gensim) does not do what the paper says, "program" or "paper":
        subsampling: keep a word with √(t/f) + t/f, or with √(t/f).
        cbow_error: each word of a window receives the undivided error, or the gradient, which is a C-th of it for C words.
        equal_negatives: a noise word equal to the target is skipped, or counts like others.

        on_progress: a function called during training with the number of words read since the last call.

    Attributes: those of WordVectors; vectors are the input vectors. Further
        output_vectors: (V, D), the vectors of words as targets; None without negative sampling.
        node_vectors: (V - 1, D), those of the nodes of the Huffman tree; None without hierarchical softmax.
        num_words: words of the text, those left out included.

    Raises:
        ValueError: an argument is out of range, sentences are no lists of words, or no pair of words is left to learn from.
        FloatingPointError: the vectors are no longer finite; alpha is too large.
    """

    def __init__(self, sentences, vector_size=100, window=5, negative=5, sg=1, hs=0, sample=1e-3, min_count=5, alpha=0.025,
                 epochs=5, seed=0, min_alpha=1e-4, ns_exponent=0.75, cbow_mean=1, shrink_windows=True,
                 subsampling="program", cbow_error="program", equal_negatives="program", on_progress=None):
        at_least = {"vector_size": (vector_size, 1), "window": (window, 1), "negative": (negative, 0), "epochs": (epochs, 1),
                    "min_count": (min_count, 1), "sample": (sample, 0), "alpha": (alpha, 0), "min_alpha": (min_alpha, 0)}
        for name, (value, least) in at_least.items():
            if not value >= least:
                raise ValueError(f"{name} is {value}; it must be {least} or more")
        choices = {"subsampling": subsampling, "cbow_error": cbow_error, "equal_negatives": equal_negatives}
        for name, value in choices.items():
            if value not in ("program", "paper"):
                raise ValueError(f"{name} is {value!r}; it must be 'program' (the C program) or 'paper'")
        if window >= RUN:
            raise ValueError(f"window is {window}; it must be below {RUN}, the length of the runs that the text is cut into")
        if not negative and not hs:
            raise ValueError("negative is 0 and hs is 0: nothing would be learned; give one of them")
        self.vocabulary = read_vocabulary(sentences, min_count)
        self.num_words = self.vocabulary.num_words
        self.window, self.negative, self.sg, self.hs = window, negative, sg, hs
        self.alpha, self.min_alpha, self.epochs = alpha, min_alpha, epochs
        self.shrink_windows, self.cbow_mean, self.cbow_error = shrink_windows, cbow_mean, cbow_error
        self.on_progress = on_progress
        counts = self.vocabulary.counts
        rng = np.random.default_rng(seed)
        self.keep_probs = keep_probabilities(counts, sample, subsampling).astype(np.float32)
        self.noise_probs = noise_probabilities(counts, ns_exponent)
        self.skips_equal = equal_negatives == "program"
        table = np.zeros((len(counts), 2 * vector_size), np.float32)  # [input | output]
        table[:, :vector_size] = rng.uniform(-0.5, 0.5, (len(counts), vector_size)) / vector_size
        nodes = np.zeros((len(counts) - 1, vector_size), np.float32) if hs else None
        from threadpoolctl import threadpool_limits  # not needed to import minibert

        with threadpool_limits(1, "blas"):  # small products: a second thread costs more than it gives
            self._train(table, nodes, rng)
        super().__init__(self.vocabulary.words, table[:, :vector_size].copy(), counts)
        self.output_vectors = table[:, vector_size:].copy() if negative else None
        self.node_vectors = nodes

    def _train(self, table, nodes, rng):
        """Go `epochs` times over the text and step down the gradient, in place."""
        size = table.shape[1] // 2
        num_kept = self.keep_probs[self.vocabulary.word_ids].sum()
        largest = RUNS_IN_A_TREE_BATCH if self.hs else RUNS_IN_A_BATCH
        runs_in_a_batch = int(np.clip(num_kept / (BATCHES_AN_EPOCH * RUN), 1, largest))
        segments, tree = self._models(runs_in_a_batch * RUN, size)
        cumulative = np.cumsum(self.noise_probs)
        cumulative /= cumulative[-1]
        for (word_ids, windows), progress, num_read in self._batches(runs_in_a_batch, rng):
            rate = np.float32(max(self.alpha - (self.alpha - self.min_alpha) * progress, self.min_alpha))
            if segments is not None:
                draws = rng.random(segments.num_sets * self.negative)
                negatives = cumulative.searchsorted(draws, side="right")        # (sets · K,)
                segments.step(table, word_ids, windows, negatives, rate)
            if tree is not None:
                tree.step(table, nodes, word_ids, windows, rate)
            if num_read:
                if not np.isfinite(table[word_ids]).all():
                    raise FloatingPointError(f"the vectors are no longer finite after {progress:.0%} of the training; try a "
                                             f"learning rate below alpha={self.alpha:g}")
                if self.on_progress is not None:
                    self.on_progress(num_read)

    def _models(self, num_words, size):
        """Return what computes the gradients of a batch of N words: (SegmentModel or None, TreeBatch or None)."""
        segments = tree = None
        means = {} if self.sg else {"has_mean": bool(self.cbow_mean), "error": self.cbow_error}
        if self.negative:
            factor = 1 - self.negative * self.noise_probs if self.skips_equal else None
            model = SkipGramSegments if self.sg else CBOWSegments
            segments = model(num_words, size, self.window, self.negative, factor, self.shrink_windows, **means)
        if self.hs:
            huffman = huffman_tree(self.vocabulary.counts)
            tree = TreeBatch(huffman, self.window, not self.sg, self.shrink_windows, **means)
        return segments, tree

    def _batches(self, runs_in_a_batch, rng):
        """Yield (a batch, share of the training that is done, words read since the last report or 0) for all epochs.

        A batch is (word_ids, windows), (N,) each. Every epoch is thinned out and cut anew.
        """
        word_ids, sentence_ids = self.vocabulary.word_ids, self.vocabulary.sentence_ids
        num_parts = -(-len(word_ids) // PART)
        reported = 0
        for part in range(self.epochs * num_parts):
            some = slice(part % num_parts * PART, (part % num_parts + 1) * PART)
            is_kept = rng.random(len(word_ids[some]), np.float32) < self.keep_probs[word_ids[some]]
            batches = cut_into_batches(word_ids[some][is_kept], sentence_ids[some][is_kept], self.window, runs_in_a_batch,
                                       rng, not self.sg, self.shrink_windows)
            num_batches = len(batches[0])
            for number, batch in enumerate(zip(*batches)):
                is_last = number == num_batches - 1
                done = (part + (number + 1) / num_batches) / (self.epochs * num_parts)
                num_read = int(done * self.epochs * self.num_words) - reported
                if not is_last and number % BATCHES_A_REPORT != BATCHES_A_REPORT - 1:
                    num_read = 0
                reported += num_read
                yield batch, (part + number / num_batches) / (self.epochs * num_parts), num_read
