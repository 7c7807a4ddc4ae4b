"""Word2Vec as it trains: the gradients of word2vec_plain.py for a thousand words of text at a time, as matrix products.

The plain form spends its time on the way from one pair to the next. Here the text, thinned out by subsampling, is cut
into segments of S = 16 words. One product of small matrices scores every word of a segment against every word in reach
of it, W = S + 2·window of them, and against K noise words drawn once for all:

    context words            noise words             s = score that counts; a band, since a word's
    . s s x s s . . . .   |   s s s s s              window moves along with it; x the word itself
    . . s s x s s . . .   |   s s s s s              (window 2, K = 5, three of the S rows)
    . . . s s x s s . .   |   s s s s s

What lies outside the band is computed and multiplied by 0: cheaper than to sort it out. The same pairs as in the plain
form have the same weight in the mean, for these reasons (tests/models/test_word2vec_fast.py proves it to 1e-12):

- Dynamic window. The C program draws a window from 1 … window for each word, so that a neighbour at distance d counts
  with probability (window + 1 − d)/window. Here it counts always, with that weight (skip-gram: the gradient is linear
  in the pairs). CBOW's mean is not, and its windows are drawn.
- Negatives. K = `negative` noise words serve all pairs of a segment (skip-gram: of two), with weight one: what is drawn
  for each pair has the same distribution, and sharing changes the spread, not the mean (Ji, Satish, Li, Dubey 2016). Noise
  equal to the target is left out, in the mean: a pair's target j comes up with probability p_j in each of K draws, so
  what these draws would add, K·p_j·σ(s_ij), is taken off the score of the pair itself.
- Ends. A batch is made of runs of R words from all over the text, for neighbouring sentences repeat their words
  too often. A pair at distance d is cut in two by the end of a run in d of R cases, since the first cut is drawn; what
  remains is weighted by 1/(1 − d/R). CBOW leaves out a word whose window is cut, and weights the others likewise.
- Repeated words. All gradients of a batch are taken at the same vectors, and what belongs to one word is summed, as in
  the plain form; but where that would move a vector by more than MAX_STEP at once, the step is shortened to that length.
  Without a bound, texts that repeat themselves diverge.

The table has the input and the output vector of a word side by side, (V, 2D), so that both are fetched and written back
at once, and once for each different word of a batch: memory takes more of the time than arithmetic.

Hierarchical softmax, which asks the nodes of a tree in place of noise words, is in `TreeBatch`.
"""

from typing import NamedTuple

import numpy as np

SEGMENT = 16  # S: words of a segment; longer ones waste more of the product on zeros, shorter ones more calls
RUN = 64  # R: words of a run, a multiple of S; the shorter, the fewer words repeat in a batch, and the more pairs are cut
RUNS_IN_A_BATCH = 16  # 1024 words: enough to keep NumPy's calls cheap, few enough to stay in the cache
RUNS_IN_A_TREE_BATCH = 1  # with hierarchical softmax: the matrices of TreeBatch grow with the square of it
BATCHES_AN_EPOCH = 64  # at least so many steps, where the text is small: batches are made smaller
MAX_STEP = 1.0  # length by which one batch moves one vector at most; trained vectors have lengths of 2 to 6
FEW = 6  # a word that stands up to so many times in a batch is summed by slices, others by a product


class Groups(NamedTuple):
    """Which places of a batch hold the same id: N ids, U different ones, those that stand most often first."""

    distinct: np.ndarray  # (U,) the different ids
    place: np.ndarray  # (N,) ids = distinct[place]
    order: np.ndarray  # (N,) sorts the ids
    starts: np.ndarray  # (U,) where each different id begins in that order
    counts: np.ndarray  # (U,) how often it stands; falling


def cut_into_batches(word_ids, sentence_ids, window, runs_in_a_batch, rng, is_cbow=False, shrink_windows=True, run_length=RUN):
    """Cut a text (T,) into batches, drawing where the first run begins.

    The runs of a batch are far apart in the text. What is left over is filled up with words whose window is empty.

    Returns:
        word_ids, windows: (B, N) int32 each, for B batches of N words; windows are codes, see `window_tables`.
    """
    num_filled = int(rng.integers(run_length))
    end = num_filled + len(word_ids)
    num_batches = -(-end // (run_length * runs_in_a_batch))
    num_runs = num_batches * runs_in_a_batch
    ids = np.zeros(num_runs * run_length, np.int32)
    ids[num_filled:end] = word_ids
    left = np.zeros(len(ids), np.int32)  # how many words of the sentence stand before each, at most `window`
    right = np.zeros(len(ids), np.int32)
    starts = np.flatnonzero(np.concatenate(([True], sentence_ids[1:] != sentence_ids[:-1]))).astype(np.int32)
    lengths = np.diff(starts, append=np.int32(len(word_ids)))
    place = np.arange(len(word_ids), dtype=np.int32) - np.repeat(starts, lengths)  # in the sentence
    reach = window if not (is_cbow and shrink_windows) else rng.integers(1, window + 1, size=len(word_ids))
    left[num_filled:end] = np.minimum(place, reach)
    right[num_filled:end] = np.minimum(np.repeat(lengths, lengths) - 1 - place, reach)
    left, right = left.reshape(-1, run_length), right.reshape(-1, run_length)                 # (runs, R)
    room_before = np.arange(run_length, dtype=np.int32)
    room_after = room_before[::-1]
    if is_cbow:
        is_whole = (left <= room_before) & (right <= room_after)
        left, right = left * is_whole, right * is_whole
    else:
        left, right = np.minimum(left, room_before), np.minimum(right, room_after)
    codes = (left * (window + 1) + right + room_before % SEGMENT * (window + 1) ** 2).astype(np.int32)
    shape = (runs_in_a_batch, num_batches, run_length)
    return tuple(array.reshape(shape).swapaxes(0, 1).reshape(num_batches, -1) for array in (ids, codes))


def window_tables(window, is_cbow=False, shrink_windows=True, run_length=RUN):
    """Return (context, total): what the window of a word that has a code weighs each word in reach of its segment.

    Code = (place in the segment · (window + 1) + words to the left) · (window + 1) + words to the right.

    Returns:
        weights: (codes, W), W = S + 2·window: the weight of each word in reach. The word itself is at column
            place + window.
        total: (codes,). Skip-gram: the sum of a row. CBOW: the weight of the one prediction.
    """
    num_columns = SEGMENT + 2 * window
    limits = np.arange(window + 1)
    offset = np.arange(num_columns) - window - np.arange(SEGMENT)[:, np.newaxis]  # (S, W)
    offset = offset[:, np.newaxis, np.newaxis, :]
    is_inside = (offset != 0) & (offset >= -limits[:, np.newaxis, np.newaxis]) & (offset <= limits[:, np.newaxis])
    num_inside = is_inside.sum(axis=-1)                                         # (S, window + 1, window + 1)
    if is_cbow:
        weights = is_inside
        total = np.where(num_inside > 0, 1 / (1 - num_inside / run_length), 0)
    else:
        distance = np.minimum(np.abs(offset), window)
        shrunk = (window + 1 - distance) / window if shrink_windows else 1
        weights = is_inside * shrunk / (1 - distance / run_length)
        total = weights.sum(axis=-1)
    return weights.reshape(-1, num_columns), total.reshape(-1)


class SegmentModel:
    """What skip-gram and CBOW share: memory for a batch and its gradients, and views of the segments in it.

    Args:
        num_words: N, of a batch; a multiple of S.
        size: D.
        window, negative, shrink_windows, run_length, dtype: as above.
        target_factor: (V,), 1 − negative·p: what is left of σ(s) in the score of a target (see above); None for ones.
    """

    is_cbow = False
    noise_segments = 1  # segments that share a set of noise words

    def __init__(self, num_words, size, window=5, negative=5, target_factor=None, shrink_windows=True, run_length=RUN,
                 dtype=np.float32):
        self.window, self.negative, self.size = window, negative, size
        self.num_segments, self.num_columns = num_words // SEGMENT, SEGMENT + 2 * window  # N/S and W
        self.target_factor = None if target_factor is None else target_factor.astype(dtype)
        context, total = window_tables(window, self.is_cbow, shrink_windows, run_length)
        self.context_weights, self.total_weights = context.astype(dtype), total.astype(dtype)
        padded = np.zeros((num_words + 2 * window, 2 * size), dtype)
        self.rows = padded[window:window + num_words]                           # (N, 2D): both vectors of each word
        self.input_rows, self.output_rows = self._halves_of(self.rows)          # (N/S, S, D) each
        self.input_context = self._windows_of(padded[:, :size])                 # (N/S, W, D)
        self.output_context = self._windows_of(padded[:, size:])                # (N/S, W, D)
        self.num_words, self.num_sets = num_words, num_words // SEGMENT // self.noise_segments
        self.d_rows = np.zeros((num_words + self.num_sets * negative, 2 * size), dtype)  # (N + sets · K, 2D)
        self.d_input, self.d_output = self._halves_of(self.d_rows[:num_words])  # (N/S, S, D) each
        self.d_noise = self.d_rows[num_words:, size:]  # (sets · K, D); noise words have no part as inputs: 0 stays there

    def step(self, table, word_ids, windows, negatives, rate):
        """Go one step down the gradient of a batch, in place.

        Args:
            table: (V, 2D).
            word_ids: (N,).  windows: (N,), a code for each word.
            negatives: (sets · K,), the noise words; noise_segments segments share a set.
            rate: the learning rate.
        """
        groups = group(np.concatenate((word_ids, negatives)))
        vectors = table.take(groups.distinct, axis=0)                           # (U, 2D)
        d_vectors = self.gradients(vectors, groups, windows)
        serves_many = groups.counts > 1  # a single word of the text moves as far as in the plain form
        serves_many[groups.place[len(word_ids):]] = True
        vectors += steps_of(d_vectors, rate, self.size, np.flatnonzero(serves_many))
        table[groups.distinct] = vectors

    def _fetch(self, vectors, groups):
        """Write the vectors of the words into self.rows; return the output vectors of the noise (sets, 1, K, D)."""
        place, num_words = groups.place, self.num_words
        np.take(vectors, place[:num_words], axis=0, out=self.rows, mode="clip")  # "clip" spares a second copy
        noise = vectors.reshape(-1, self.size).take(2 * place[num_words:] + 1, axis=0)
        return noise.reshape(self.num_sets, 1, self.negative, self.size)

    def _factors(self, groups):
        """Return the target factor of each word of a batch (N,), or 1."""
        if self.target_factor is None:
            return 1
        return self.target_factor.take(groups.distinct).take(groups.place[:self.num_words])

    def _halves_of(self, rows):
        """Return views (N/S, S, D) of the two halves of rows (N, 2D)."""
        segments = rows.reshape(self.num_segments, SEGMENT, 2, self.size)
        return segments[:, :, 0], segments[:, :, 1]

    def _windows_of(self, padded):
        """Return a view (N/S, W, …) of rows (N + 2·window, …): the words in reach of each segment. Windows overlap."""
        shape = (self.num_segments, self.num_columns, *padded.shape[1:])
        strides = (SEGMENT * padded.strides[0], *padded.strides)
        return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)

    def _add_windows(self, d_context, d_words):
        """Write into d_words (N/S, S, D) what the windows (N/S, W, D) of all segments have for each word."""
        window = self.window
        d_words[...] = d_context[:, window:window + SEGMENT]
        reach = SEGMENT + window
        for shift in range(1, window // SEGMENT + 2):  # a window longer than a segment reaches beyond the next one
            near, far = (shift - 1) * SEGMENT, min(shift * SEGMENT, window)
            d_words[shift:, :far - near] += d_context[:-shift, reach + near:reach + far]
            d_words[:-shift, SEGMENT - (far - near):] += d_context[shift:, window - far:window - near]


class SkipGramSegments(SegmentModel):
    """Skip-gram with negative sampling: every word is the input, and the words in its window are the targets.

    Args: of SegmentModel.
    """

    noise_segments = 2

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        num_columns, dtype = self.num_columns, self.rows.dtype
        shape = (self.num_segments, SEGMENT, num_columns + self.negative)
        noise_weights = np.repeat(self.total_weights[:, np.newaxis], self.negative, axis=1)  # (codes, K)
        self.weights_of = np.concatenate([self.context_weights, noise_weights], axis=1)  # (codes, W + K)
        self.labels = (np.arange(shape[2]) < num_columns).astype(dtype)         # (W + K,)
        padded_factors = np.zeros(self.num_segments * SEGMENT + 2 * self.window, dtype)
        self.factors_here = padded_factors[self.window:-self.window]            # (N,)
        self.context_factors = self._windows_of(padded_factors)                 # (N/S, W)
        self.factors = np.ones((self.num_segments, 1, shape[2]), dtype)
        self.weights, self.scores = np.empty(shape, dtype), np.empty(shape, dtype)
        self.targets = np.empty((self.num_segments, shape[2], self.size), dtype)  # (N/S, W + K, D)
        self.d_targets = np.empty_like(self.targets)

    def _noise_of(self, targets):
        """Return the view (sets, segments of a set, K, D) of what belongs to noise words in targets (N/S, W + K, D)."""
        return targets.reshape(-1, self.noise_segments, *targets.shape[1:])[:, :, self.num_columns:]

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
        num_columns = self.num_columns
        targets = self.targets
        self._noise_of(targets)[...] = self._fetch(vectors, groups)             # one set for several segments
        targets[:, :num_columns] = self.output_context
        scores = np.matmul(self.input_rows, targets.swapaxes(1, 2), out=self.scores)
        probs = sigmoid_in_place(scores)
        del scores
        self.factors_here[:] = self._factors(groups)
        self.factors[:, 0, :num_columns] = self.context_factors
        np.take(self.weights_of, windows, axis=0, out=self.weights.reshape(len(windows), -1), mode="clip")
        probs *= self.factors
        probs -= self.labels
        probs *= self.weights
        d_scores = probs
        del probs
        np.matmul(d_scores, targets, out=self.d_input)
        d_targets = np.matmul(d_scores.swapaxes(1, 2), self.input_rows, out=self.d_targets)
        self._add_windows(d_targets[:, :num_columns], self.d_output)
        self.d_noise[...] = self._noise_of(d_targets).sum(axis=1).reshape(-1, self.size)
        return sum_groups(self.d_rows, groups)


class CBOWSegments(SegmentModel):
    """CBOW with negative sampling: the mean of the words in the window is the input, the word in the middle the target.

    Args:
        has_mean: cbow_mean; False takes the sum.
        error: "program" sends the error undivided to each word of the window, though h is a mean (gensim divides it
            where h is a sum: wrong in both cases); "paper" is the gradient.
        others: of SegmentModel.
    """

    is_cbow = True

    def __init__(self, *args, has_mean=True, error="paper", **kwargs):
        super().__init__(*args, **kwargs)
        num_inside = np.maximum(self.context_weights.sum(axis=1, keepdims=True), 1)
        mean_weights = self.context_weights / num_inside
        self.forward_weights = mean_weights if has_mean else self.context_weights
        self.backward_weights = self.forward_weights
        if error == "program":
            self.backward_weights = self.context_weights if has_mean else mean_weights

    def gradients(self, vectors, groups, windows):
        """The gradient of the loss, summed over a batch; arguments and results as in SkipGramSegments.

            hidden      = forward_weights context              (N/S, S, D)
            d_target    = weight · (factor · σ(hidden · target) − 1)          (N/S, S)
            d_noise     = weight · σ(hidden negativesᵀ)                       (N/S, S, K)
            d_hidden    = d_target target + d_noise negatives
            d_context   = backward_weightsᵀ d_hidden           (N/S, W, D)
        """
        shape = (self.num_segments, SEGMENT, -1)
        negatives = self._fetch(vectors, groups)[:, 0]                          # (N/S, K, D)
        weights = self.total_weights.take(windows)                              # (N,)
        factors = self._factors(groups)                                         # (N,)
        forward_weights = self.forward_weights.take(windows, axis=0).reshape(shape)
        hidden = forward_weights @ self.input_context                           # (N/S, S, D)
        target_scores = np.einsum("nsd,nsd->ns", hidden, self.output_rows).reshape(-1)  # (N,)
        noise_scores = hidden @ negatives.swapaxes(1, 2)                        # (N/S, S, K)
        d_target_scores = (weights * (factors * sigmoid_in_place(target_scores) - 1)).reshape(shape)  # (N/S, S, 1)
        d_noise_scores = weights.reshape(shape) * sigmoid_in_place(noise_scores)
        np.multiply(d_target_scores, hidden, out=self.d_output)
        self.d_noise[...] = (d_noise_scores.swapaxes(1, 2) @ hidden).reshape(-1, self.size)
        d_hidden = d_noise_scores @ negatives                                   # (N/S, S, D)
        d_hidden += d_target_scores * self.output_rows
        backward_weights = forward_weights
        if self.backward_weights is not self.forward_weights:
            backward_weights = self.backward_weights.take(windows, axis=0).reshape(shape)
        d_context = backward_weights.swapaxes(1, 2) @ d_hidden                  # (N/S, W, D)
        self._add_windows(d_context, self.d_input)
        return sum_groups(self.d_rows, groups)


class TreeBatch:
    """Skip-gram and CBOW with hierarchical softmax, for a batch of N words that is one run.

    All nodes that are on the way to any word of the batch (U of them) are asked by all: one product, in which most
    entries count nothing. For a target j, yes[j, node] and no[j, node] say whether its path goes through the node, and
    where to; window[i, j] is the weight of the pair; (window yes) and (window no) are how often h_i is asked at the node.

    Args:
        tree: a word2vec_text.HuffmanTree.
        is_cbow, others: as above and in CBOWSegments.
    """

    def __init__(self, tree, window=5, is_cbow=False, shrink_windows=True, run_length=RUN, has_mean=True, error="paper",
                 dtype=np.float32):
        self.tree, self.window, self.is_cbow, self.has_mean, self.error = tree, window, is_cbow, has_mean, error
        context, total = window_tables(window, is_cbow, shrink_windows, run_length)
        self.context_weights, self.total_weights = context.astype(dtype), total.astype(dtype)

    def step(self, table, nodes, word_ids, windows, rate):
        """Go one step down the gradient of a batch, in place: the input vectors in table (V, 2D), and nodes (V - 1, D)."""
        size = nodes.shape[1]
        words = group(word_ids)
        vectors = table[words.distinct, :size]                                  # (U, D)
        d_vectors, asked, d_nodes = self.gradients(vectors, nodes, words, windows)
        table[words.distinct, :size] = vectors + steps_of(d_vectors, rate, size, np.flatnonzero(words.counts > 1))
        nodes[asked] += steps_of(d_nodes, rate, size)

    def gradients(self, vectors, nodes, words, windows):
        """The gradient of the loss, summed over a batch.

        Args:
            vectors: (U, D), the input vectors of the different words; words: the Groups of the batch.
            nodes: (V - 1, D).  windows: (N,), a code for each word.

        Returns:
            d_vectors (U, D), the nodes that were asked (U',), and their gradients (U', D).
        """
        num_words, dtype = len(windows), nodes.dtype
        word_ids = words.distinct[words.place]
        window = self._band(windows)                                            # (N, N)
        is_on_path = self.tree.is_on_path[word_ids]                             # (N, L)
        asked, column = np.unique(self.tree.nodes[word_ids][is_on_path], return_inverse=True)  # (U',)
        labels = self.tree.labels[word_ids][is_on_path]
        row = np.repeat(np.arange(num_words), is_on_path.sum(axis=1))
        yes, no = np.zeros((2, num_words, len(asked)), dtype)                   # (N, U') each
        yes[row, column], no[row, column] = labels, 1 - labels
        inputs = vectors[words.place]                                           # (N, D)
        if self.is_cbow:
            weights = self.total_weights[windows][:, np.newaxis]                # (N, 1)
            mean = window / np.maximum(window.sum(axis=1, keepdims=True), 1)
            forward, backward = (mean, window) if self.has_mean else (window, mean)
            hidden = forward @ inputs                                           # (N, D)
            yes, no = weights * yes, weights * no
        else:
            hidden = inputs
            yes, no = window @ yes, window @ no
        node_vectors = nodes[asked]                                             # (U', D)
        probs = sigmoid_in_place(hidden @ node_vectors.T)                       # (N, U')
        d_scores = (yes + no) * probs - yes
        d_nodes = d_scores.T @ hidden                                           # (U', D)
        d_inputs = d_scores @ node_vectors                                      # (N, D)
        if self.is_cbow:
            d_inputs = (backward if self.error == "program" else forward).T @ d_inputs
        return sum_groups(d_inputs, words), asked, d_nodes

    def _band(self, windows):
        """Return the windows (N,) as a matrix (N, N): the weight of word j for word i."""
        num_words, num_columns = len(windows), self.context_weights.shape[1]
        band = np.zeros((num_words, num_words + 2 * self.window), self.context_weights.dtype)
        first = np.arange(num_words) // SEGMENT * SEGMENT  # the first column in reach of the segment
        columns = first[:, np.newaxis] + np.arange(num_columns)
        band[np.arange(num_words)[:, np.newaxis], columns] = self.context_weights[windows]
        return band[:, self.window:self.window + num_words]


# --- steps ---


def group(ids):
    """Return the Groups of ids (N,)."""
    num_ids = len(ids)
    # a stable sort of two-byte integers is a counting sort, several times as fast as that of longer ones
    order = np.argsort(ids.astype(np.uint16) if ids.max() < 1 << 16 else ids, kind="stable")
    sorted_ids = ids.take(order)
    is_first = np.empty(num_ids, bool)
    is_first[0] = True
    np.not_equal(sorted_ids[1:], sorted_ids[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    counts = np.empty(len(starts), np.intp)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1] = num_ids - starts[-1]
    by_count = np.argsort(-counts, kind="stable")
    rank = np.empty(len(starts), np.intp)
    rank[by_count] = np.arange(len(starts))
    place = np.empty(num_ids, np.intp)
    place[order] = rank.repeat(counts)
    starts = starts.take(by_count)
    return Groups(sorted_ids.take(starts), place, order, starts, counts.take(by_count))


def sum_groups(rows, groups):
    """Return the sums of the rows (N, columns) that belong to the same id: (U, columns).

    Each id's second row is added to its first, then its third, up to FEW; as the groups are sorted by size, those that
    have a third one stand together at the front. The rows of ids that stand more often are summed by one product with a
    matrix of 0 and 1. It is np.add.at, in less than half the time.
    """
    order, starts, counts = groups.order, groups.starts, groups.counts
    sums = rows.take(order.take(starts), axis=0)                                # (U, columns)
    larger_than = (-counts).searchsorted(-np.arange(FEW + 1))  # [k]: groups of more than k rows
    often = larger_than[FEW]
    for number in range(1, FEW):
        end = larger_than[number]
        if end == often:
            break
        sums[often:end] += rows.take(order.take(starts[often:end] + number), axis=0)
    if often:
        members = counts[:often]
        owner = np.arange(often).repeat(members)                                # (rows of such ids,)
        first = (starts[:often] - (members.cumsum() - members)).repeat(members)
        is_member = np.zeros((often, len(owner)), rows.dtype)
        is_member[owner, np.arange(len(owner))] = 1
        sums[:often] = is_member @ rows.take(order.take(first + np.arange(len(owner))), axis=0)
    return sums


def steps_of(gradients, rate, size, repeated=None):
    """Turn gradients (U, n·D) into −rate·gradients, each vector of D numbers shortened to MAX_STEP where it is longer.

    With `repeated`, only these rows can be too long. In place: returns the same memory.
    """
    gradients *= -rate
    vectors = (gradients if repeated is None else gradients.take(repeated, axis=0)).reshape(-1, size)
    squares = np.einsum("nd,nd->n", vectors, vectors)
    if squares.max(initial=0) > MAX_STEP**2:
        vectors *= np.minimum(1, MAX_STEP / np.sqrt(np.maximum(squares, MAX_STEP**2)))[:, np.newaxis]
        if repeated is not None:
            gradients[repeated] = vectors.reshape(len(repeated), -1)
    return gradients


def sigmoid_in_place(x):
    """Overwrite x with σ(x) = (1 + tanh(x/2))/2 and return it: no overflow, and half the cost of 1/(1 + exp(−x))."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5
    return x
