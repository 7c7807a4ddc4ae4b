"""Shared by skip-gram, CBOW and both output layers when they train on batches: cutting, summing, stepping.

A text, thinned out by subsampling, is cut into runs of R words, and a batch is made of runs from all over the
text. Segments of S words of a run are scored together; word2vec_fast.py says how. Here are

- `cut_into_batches`, and `window_tables` with the weights of the words in a window;
- `group` and `sum_groups`, which add up the gradients that belong to the same word;
- `steps_of`, a step down the gradient of bounded length.
"""

from typing import NamedTuple

import numpy as np

SEGMENT = 16  # S: words of a segment; longer ones waste more of the product on zeros, shorter ones more calls
RUN = 64  # R: words of a run, a multiple of S; shorter ones repeat fewer words in a batch and cut more pairs
WINDOW_OF_A_SEGMENT = 512  # longer windows have longer segments: the memory grows with W/S
MAX_WEIGHTS = 1 << 24  # in the tables for all windows
MAX_STEP = 1.0  # length by which one batch moves one vector at most; trained vectors have lengths of 2 to 6
FEW = 6  # words that occur more often in a batch are summed by a matrix product, the others by slices


class Sizes(NamedTuple):
    """How a text is cut into windows."""

    window: int  # the largest distance of two neighbours that occurs
    largest: int  # the window that was asked for: larger, where no sentence is as long
    segment: int  # S
    run: int  # R, a multiple of 2·S; longer than the window


def sizes_of(window, longest, is_cbow=False, run_length=RUN):
    """Return the Sizes for a window and sentences of at most `longest` words.

    Runs are longer than R where a window would not fit: CBOW needs all of it, skip-gram a pair. They are so
    long that no more than half is cut.
    """
    words_needed = 2 * window if is_cbow else window
    if words_needed < run_length:
        return Sizes(window, window, SEGMENT, run_length)
    reach = min(window, max(longest - 1, 1))
    segment = SEGMENT * -(-reach // WINDOW_OF_A_SEGMENT)
    unit = 4 * segment if is_cbow else 2 * segment
    return Sizes(reach, window, segment, max(unit * -(-reach // segment), run_length))


def cut_into_batches(word_ids, sentence_ids, sizes, runs_in_a_batch, rng, is_cbow=False, shrink_windows=True):
    """Cut a text (T,) into batches, drawing where the first run begins.

    The runs of a batch are far apart in the text. The first and the last run are filled up with words whose
    window is empty.

    Args:
        word_ids: (T,) integers, the text.
        sentence_ids: (T,) integers, the sentence of each word.
        sizes: the Sizes.
        runs_in_a_batch: N / R.
        rng: a NumPy Generator.

    Returns:
        word_ids, windows: (B, N) integers each, B batches of N words; windows are codes, see `window_tables`.
    """
    window, run_length = sizes.window, sizes.run
    num_filled = int(rng.integers(run_length))
    end = num_filled + len(word_ids)
    num_batches = -(-end // (run_length * runs_in_a_batch))
    num_runs = num_batches * runs_in_a_batch
    ids = np.zeros(num_runs * run_length, np.int32)
    ids[num_filled:end] = word_ids
    left = np.zeros(len(ids), np.int32)  # the number of words in the window before each word
    right = np.zeros(len(ids), np.int32)
    starts = np.flatnonzero(np.concatenate(([True], sentence_ids[1:] != sentence_ids[:-1]))).astype(np.int32)
    lengths = np.diff(starts, append=np.int32(len(word_ids)))
    place = np.arange(len(word_ids), dtype=np.int32) - np.repeat(starts, lengths)  # in the sentence
    reach = window
    if is_cbow and shrink_windows:
        reach = rng.integers(1, sizes.largest + 1, size=len(word_ids))
    left[num_filled:end] = np.minimum(place, reach)
    right[num_filled:end] = np.minimum(np.repeat(lengths, lengths) - 1 - place, reach)
    left, right = left.reshape(-1, run_length), right.reshape(-1, run_length)   # (runs, R) each
    room_before = np.arange(run_length, dtype=np.int32)
    room_after = room_before[::-1]
    if is_cbow:
        is_whole = (left <= room_before) & (right <= room_after)
        left, right = left * is_whole, right * is_whole
    else:
        left, right = np.minimum(left, room_before), np.minimum(right, room_after)
    num_codes = sizes.segment * (window + 1) ** 2
    number = np.int32 if num_codes < 1 << 31 else np.int64
    codes = left.astype(number) * (window + 1) + right
    codes += (room_before % sizes.segment).astype(number) * (window + 1) ** 2
    shape = (runs_in_a_batch, num_batches, run_length)
    return tuple(array.reshape(shape).swapaxes(0, 1).reshape(num_batches, -1) for array in (ids, codes))


class WindowTables:
    """The weights of the words in a window, for the codes of windows.

    Code = (place in the segment · (window + 1) + words to the left) · (window + 1) + words to the right.

    Args:
        sizes: the Sizes.
        is_cbow, shrink_windows: see word2vec.
        make: a function that changes (weights, total) of `window_tables` before they are used.
    """

    def __init__(self, sizes, is_cbow, shrink_windows, make):
        self.sizes, self.is_cbow, self.shrink_windows, self.make = sizes, is_cbow, shrink_windows, make
        self.all = None
        num_codes = sizes.segment * (sizes.window + 1) ** 2
        if num_codes * (sizes.segment + 2 * sizes.window) < MAX_WEIGHTS:
            self.all = self._made_for(np.arange(num_codes))

    def rows(self, windows):
        """Return (tables, rows): row rows[i] of the tables belongs to the code windows[i]."""
        if self.all is not None:
            return self.all, windows
        return self._made_for(windows), np.arange(len(windows))  # a table of all codes would not fit

    def _made_for(self, codes):
        return self.make(*window_tables(codes, self.sizes, self.is_cbow, self.shrink_windows))


def window_tables(codes, sizes, is_cbow=False, shrink_windows=True):
    """Return the weights of the words in a window, and their total, for codes of windows (C,).

    Returns:
        weights: (C, W), W = S + 2·window: the weight of each word in reach of the segment. The word itself is
            at column place + window.
        total: (C,). Skip-gram: the sum of a row. CBOW: the weight of the one prediction.
    """
    window, run_length = sizes.window, sizes.run
    place_and_left, right = np.divmod(codes, window + 1)                        # (C,) each
    place, left = np.divmod(place_and_left, window + 1)                         # (C,) each
    offset = np.arange(sizes.segment + 2 * window) - window - place[:, np.newaxis]  # (C, W)
    is_inside = (offset >= -left[:, np.newaxis]) & (offset <= right[:, np.newaxis]) & (offset != 0)
    if is_cbow:
        weights = is_inside
        num_inside = is_inside.sum(axis=-1)                                     # (C,)
        total = np.where(num_inside > 0, 1 / (1 - num_inside / run_length), 0)
    else:
        distance = np.minimum(np.abs(offset), window)
        shrunk = (sizes.largest + 1 - distance) / sizes.largest if shrink_windows else 1
        weights = is_inside * shrunk / (1 - distance / run_length)
        total = weights.sum(axis=-1)
    return weights, total


# --- segments ---

def windows_of(padded, sizes):
    """Return a view (N/S, W, …) of rows (N + 2·window, …): the words in reach of each segment."""
    num_segments = (len(padded) - 2 * sizes.window) // sizes.segment
    shape = (num_segments, sizes.segment + 2 * sizes.window, *padded.shape[1:])
    strides = (sizes.segment * padded.strides[0], *padded.strides)
    return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)


def add_windows(d_context, d_words, sizes):
    """Write into d_words (N/S, S, D) the sum over the windows (N/S, W, D) that each word is in."""
    window, segment = sizes.window, sizes.segment
    d_words[...] = d_context[:, window:window + segment]
    reach = segment + window
    for shift in range(1, window // segment + 2):  # a long window reaches beyond the next segment
        near, far = (shift - 1) * segment, min(shift * segment, window)
        d_words[shift:, :far - near] += d_context[:-shift, reach + near:reach + far]
        d_words[:-shift, segment - (far - near):] += d_context[shift:, window - far:window - near]


# --- sums and steps ---

class Groups(NamedTuple):
    """Which places of a batch hold the same id: N ids, U different ones, the most frequent first."""

    distinct: np.ndarray  # (U,) the different ids
    place: np.ndarray  # (N,) ids = distinct[place]
    order: np.ndarray  # (N,) sorts the ids
    starts: np.ndarray  # (U,) where each different id begins in that order
    counts: np.ndarray  # (U,) how often it occurs; falling


def group(ids):
    """Return the Groups of ids (N,)."""
    num_ids = len(ids)
    # A stable sort of two-byte integers is a counting sort, several times as fast as that of longer ones.
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

    Each id's second row is added to its first, then its third, up to FEW; because the groups are sorted by
    size, those that have a third one are at the front. The rows of ids that occur more often are summed by
    one product with a matrix of 0 and 1. The result is that of np.add.at, in less than half the time.
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
    """Turn gradients (U, n·D) into −rate·gradients, each vector of D numbers at most MAX_STEP long.

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
    """Overwrite x with σ(x) = (1 + tanh(x/2))/2, which cannot overflow, and return it."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5
    return x
