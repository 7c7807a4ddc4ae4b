"""Word2Vec as it trains: the gradients of word2vec_plain.py for a thousand words of text at a time.

The plain form spends its time on the way from one pair to the next. Here the text, thinned out by
subsampling, is cut into segments of S = 16 words. One product of small matrices scores every word of a
segment against every word in reach of it, W = S + 2·window of them, and against K noise words:

    context words            noise words             s = score that counts; a band, since a word's
    . s s x s s . . . .   |   s s s s s              window moves along with it; x the word itself
    . . s s x s s . . .   |   s s s s s              (window 2, K = 5, three of the S rows)
    . . . s s x s s . .   |   s s s s s

Scores outside the band are computed and multiplied by 0: cheaper than to sort them out. The same pairs as in
the plain form have the same weight in the mean, for these reasons (compared to 1e-12 in
tests/word_vectors/test_word2vec_fast.py):

- Dynamic window. The C program draws a window from 1 … window for each word, so that a neighbour at distance
  d counts with probability (window + 1 − d)/window. Here it counts always, with that weight (skip-gram: the
  gradient is linear in the pairs). CBOW's mean is not linear, and its windows are drawn.
- Negatives. K = `negative` noise words serve all pairs of a segment (skip-gram: of two), with weight one.
  Noise that is drawn for each pair has the same distribution: sharing changes the spread, not the mean (Ji,
  Satish, Li, Dubey 2016). Noise equal to the target is left out, in the mean: a pair's target j comes up with
  probability p_j in each of K draws, so the expected effect of these draws, K·p_j·σ(s_ij), is taken off the
  score of the pair itself.
- Ends. A batch is made of runs of R words from all over the text, because neighbouring sentences repeat their
  words too often. A pair at distance d is cut in two by the end of a run in d of R cases, since the first cut
  is drawn; the remaining pairs are weighted by 1/(1 − d/R). CBOW leaves out a word whose window is cut, and
  weights the others likewise.
- Repeated words. All gradients of a batch are taken at the same vectors, and those that belong to one word
  are summed, as in the plain form; but where the sum would move a vector by more than MAX_STEP at once, the
  step is shortened to that length. Without a bound, texts that repeat themselves diverge.

The table has the input and the output vector of a word side by side, (V, 2D), so that both are fetched and
written back at once, and once for each different word of a batch: memory takes more of the time than
arithmetic.

Hierarchical softmax, with the nodes of a tree in place of noise words, is in word2vec_tree.py.
"""

import numpy as np

from minibert.word_vectors.word2vec_batches import (
    WindowTables,
    add_windows,
    group,
    sigmoid_in_place,
    steps_of,
    sum_groups,
    windows_of,
)

RUNS_IN_A_BATCH = 16  # 1024 words: enough to keep NumPy's calls cheap, few enough to stay in the cache


def step_segments(model, table, word_ids, windows, negatives, rate):
    """Go one step down the gradient of a batch, in place.

    Args:
        model: SkipGramSegments or CBOWSegments.
        table: (V, 2D).
        word_ids: (N,).  windows: (N,), a code for each word.
        negatives: (sets · K,), the noise words.
        rate: the learning rate.
    """
    groups = group(np.concatenate((word_ids, negatives)))
    vectors = table.take(groups.distinct, axis=0)                               # (U, 2D)
    d_vectors = model.gradients(vectors, groups, windows)                       # (U, 2D)
    serves_many = groups.counts > 1  # a single word of the text moves as far as in the plain form
    serves_many[groups.place[len(word_ids):]] = True
    vectors += steps_of(d_vectors, rate, table.shape[1] // 2, np.flatnonzero(serves_many))
    table[groups.distinct] = vectors


class SegmentMemory:
    """Memory for the vectors of a batch and for their gradients, and views of the segments in both.

    Args:
        num_words: N, of a batch; a multiple of S.
        size: D.
        sizes: the Sizes.
        negative: K, the noise words in a set.
        segments_in_a_set: segments that share a set of noise words.
        dtype: of the memory.

    Attributes:
        num_segments: N/S.  num_columns: W = S + 2·window.  num_sets: N/S / segments_in_a_set.
        input_rows, output_rows: (N/S, S, D), the vectors of the words in each segment.
        input_context, output_context: (N/S, W, D), those of the words in reach of each segment.
        d_input, d_output: (N/S, S, D), their gradients.
        d_noise: (sets · K, D), the gradients of the noise words' output vectors.
        d_rows: (N + sets · K, 2D), all of these gradients.
    """

    def __init__(self, num_words, size, sizes, negative, segments_in_a_set, dtype):
        self.num_words, self.size, self.negative = num_words, size, negative
        window, segment = sizes.window, sizes.segment
        self.num_segments, self.num_columns = num_words // segment, segment + 2 * window
        self.num_sets = self.num_segments // segments_in_a_set
        padded = np.zeros((num_words + 2 * window, 2 * size), dtype)
        self.rows = padded[window:window + num_words]                           # (N, 2D)
        self.input_rows, self.output_rows = self._halves_of(self.rows)
        self.input_context = windows_of(padded[:, :size], sizes)
        self.output_context = windows_of(padded[:, size:], sizes)
        self.d_rows = np.zeros((num_words + self.num_sets * negative, 2 * size), dtype)
        self.d_input, self.d_output = self._halves_of(self.d_rows[:num_words])
        self.d_noise = self.d_rows[num_words:, size:]  # as inputs noise words have no gradient: 0 stays there

    def fetch(self, vectors, groups):
        """Write the vectors (U, 2D) into the rows; return those of the noise as outputs (sets, 1, K, D)."""
        word_places, noise_places = groups.place[:self.num_words], groups.place[self.num_words:]
        np.take(vectors, word_places, axis=0, out=self.rows, mode="clip")  # "clip" spares a second copy
        noise = vectors.reshape(-1, self.size).take(2 * noise_places + 1, axis=0)
        return noise.reshape(self.num_sets, 1, self.negative, self.size)

    def _halves_of(self, rows):
        """Return views (N/S, S, D) of the two halves of rows (N, 2D)."""
        segments = rows.reshape(self.num_segments, -1, 2, self.size)
        return segments[:, :, 0], segments[:, :, 1]


def factors_of(target_factor, groups, num_words):
    """Return the factor of σ(s) in the score of each word of a batch as a target: (N,), or 1 for None."""
    if target_factor is None:
        return 1
    return target_factor.take(groups.distinct).take(groups.place[:num_words])


class SkipGramSegments:
    """Skip-gram with negative sampling: every word is the input, and the words in its window are the targets.

    Args:
        num_words, size, sizes, negative, dtype: see SegmentMemory.
        target_factor: (V,), 1 − negative·p: the factor of σ(s) in the score of a target (see above); None for
            ones.
        shrink_windows: see WindowTables.
    """

    is_cbow = False

    def __init__(self, num_words, size, sizes, negative=5, *, target_factor=None, shrink_windows=True,
                 dtype=np.float32):
        self.sizes = sizes
        self.memory = SegmentMemory(num_words, size, sizes, negative, 2, dtype)
        self.num_sets = self.memory.num_sets
        num_segments, num_columns = self.memory.num_segments, self.memory.num_columns
        self.target_factor = None if target_factor is None else target_factor.astype(dtype)
        self.tables = WindowTables(sizes, False, shrink_windows, self._weights_of)  # (codes, W + K)
        shape = (num_segments, sizes.segment, num_columns + negative)           # (N/S, S, W + K)
        self.labels = (np.arange(shape[2]) < num_columns).astype(dtype)         # (W + K,)
        padded_factors = np.zeros(num_words + 2 * sizes.window, dtype)
        self.factors_here = padded_factors[sizes.window:-sizes.window]          # (N,)
        self.context_factors = windows_of(padded_factors, sizes)        # (N/S, W)
        self.factors = np.ones((num_segments, 1, shape[2]), dtype)              # (N/S, 1, W + K)
        self.weights, self.scores = np.empty(shape, dtype), np.empty(shape, dtype)
        self.targets = np.empty((num_segments, shape[2], size), dtype)          # (N/S, W + K, D)
        self.d_targets = np.empty_like(self.targets)

    def _weights_of(self, context_weights, total_weights):
        """Return the weights of the words in reach and of the noise words, for codes of windows."""
        noise_weights = np.repeat(total_weights[:, np.newaxis], self.memory.negative, axis=1)  # (codes, K)
        return np.concatenate([context_weights, noise_weights], axis=1).astype(self.memory.rows.dtype)

    def _noise_of(self, targets):
        """Return a view (sets, segments of a set, K, D) of the noise in targets (N/S, W + K, D)."""
        return targets.reshape(self.num_sets, -1, *targets.shape[1:])[:, :, self.memory.num_columns:]

    def gradients(self, vectors, groups, windows):
        """The gradient of the loss, summed over a batch of N words.

        Args:
            vectors: (U, 2D), of the different words.
            groups: the Groups of the N words of the batch and the sets · K noise words after them.
            windows: (N,), a code for each word.

        Returns:
            d_vectors: (U, 2D).

            scores    = input targetsᵀ                         (N/S, S, W + K)
            d_scores  = weights · (factors · σ(scores) − labels)
            d_input   = d_scores targets                       (N/S, S, D)
            d_targets = d_scoresᵀ input                        (N/S, W + K, D)
        """
        memory, num_columns = self.memory, self.memory.num_columns
        targets = self.targets
        self._noise_of(targets)[...] = memory.fetch(vectors, groups)            # one set for several segments
        targets[:, :num_columns] = memory.output_context
        scores = np.matmul(memory.input_rows, targets.swapaxes(1, 2), out=self.scores)
        probs = sigmoid_in_place(scores)
        del scores
        self.factors_here[:] = factors_of(self.target_factor, groups, memory.num_words)
        self.factors[:, 0, :num_columns] = self.context_factors
        weights_of, rows = self.tables.rows(windows)
        np.take(weights_of, rows, axis=0, out=self.weights.reshape(len(windows), -1), mode="clip")
        probs *= self.factors
        probs -= self.labels
        probs *= self.weights
        d_scores = probs
        del probs
        np.matmul(d_scores, targets, out=memory.d_input)
        d_targets = np.matmul(d_scores.swapaxes(1, 2), memory.input_rows, out=self.d_targets)
        add_windows(d_targets[:, :num_columns], memory.d_output, self.sizes)
        memory.d_noise[...] = self._noise_of(d_targets).sum(axis=1).reshape(-1, memory.size)
        return sum_groups(memory.d_rows, groups)


class CBOWSegments:
    """CBOW with negative sampling: the mean of a word's window is the input, the word is the target.

    Args:
        num_words, size, sizes, negative, target_factor, shrink_windows, dtype: as in SkipGramSegments.
        has_mean: cbow_mean; False takes the sum.
        error: "program" sends the error undivided to each word of the window, though h is a mean (gensim
            divides it where h is a sum: wrong in both cases); "paper" is the gradient.
    """

    is_cbow = True

    def __init__(self, num_words, size, sizes, negative=5, *, target_factor=None, shrink_windows=True,
                 has_mean=True, error="paper", dtype=np.float32):
        self.sizes = sizes
        self.memory = SegmentMemory(num_words, size, sizes, negative, 1, dtype)
        self.has_mean, self.error = has_mean, error
        self.num_sets = self.memory.num_sets
        self.target_factor = None if target_factor is None else target_factor.astype(dtype)
        self.tables = WindowTables(sizes, True, shrink_windows, self._weights_of)

    def _weights_of(self, context_weights, total_weights):
        """Return the weights forward and backward (codes, W) and in total (codes,), for codes of windows."""
        dtype = self.memory.rows.dtype
        sum_weights = context_weights.astype(dtype)                             # (codes, W)
        mean_weights = sum_weights / np.maximum(sum_weights.sum(axis=1, keepdims=True), 1)
        forward_weights = backward_weights = mean_weights if self.has_mean else sum_weights
        if self.error == "program":
            backward_weights = sum_weights if self.has_mean else mean_weights
        return forward_weights, backward_weights, total_weights.astype(dtype)

    def gradients(self, vectors, groups, windows):
        """The gradient of the loss, summed over a batch; arguments and results as in SkipGramSegments.

            hidden      = forward_weights context              (N/S, S, D)
            d_target    = weight · (factor · σ(hidden · target) − 1)          (N/S, S)
            d_noise     = weight · σ(hidden negativesᵀ)                       (N/S, S, K)
            d_hidden    = d_target target + d_noise negatives
            d_context   = backward_weightsᵀ d_hidden           (N/S, W, D)
        """
        memory = self.memory
        shape = (memory.num_segments, self.sizes.segment, -1)
        (forward_table, backward_table, total_weights), rows = self.tables.rows(windows)
        negatives = memory.fetch(vectors, groups)[:, 0]                         # (N/S, K, D)
        weights = total_weights.take(rows)                                      # (N,)
        factors = factors_of(self.target_factor, groups, memory.num_words)      # (N,)
        forward_weights = forward_table.take(rows, axis=0).reshape(shape)       # (N/S, S, W)
        hidden = forward_weights @ memory.input_context                         # (N/S, S, D)
        target_scores = np.einsum("nsd,nsd->ns", hidden, memory.output_rows).reshape(-1)  # (N,)
        noise_scores = hidden @ negatives.swapaxes(1, 2)                        # (N/S, S, K)
        target_probs = sigmoid_in_place(target_scores)                          # (N,)
        noise_probs = sigmoid_in_place(noise_scores)                            # (N/S, S, K)
        d_target_scores = (weights * (factors * target_probs - 1)).reshape(shape)  # (N/S, S, 1)
        d_noise_scores = weights.reshape(shape) * noise_probs                   # (N/S, S, K)
        np.multiply(d_target_scores, hidden, out=memory.d_output)
        memory.d_noise[...] = (d_noise_scores.swapaxes(1, 2) @ hidden).reshape(-1, memory.size)
        d_hidden = d_noise_scores @ negatives                                   # (N/S, S, D)
        d_hidden += d_target_scores * memory.output_rows
        backward_weights = forward_weights
        if backward_table is not forward_table:
            backward_weights = backward_table.take(rows, axis=0).reshape(shape)
        d_context = backward_weights.swapaxes(1, 2) @ d_hidden                  # (N/S, W, D)
        add_windows(d_context, memory.d_input, self.sizes)
        return sum_groups(memory.d_rows, groups)
