"""GloVe: vectors of words whose products are the logarithms of co-occurrence counts (Pennington et al. 2014).

    vectors = GloVe(sentences)
    vectors.most_similar("king")

glove_plain.py has the objective with its derivation, and the loop over single entries; glove_counts.py
counts; this file trains with the same gradients and the same AdaGrad, a few thousand entries at a time.

How. The matrix is cut into tiles: a strip of 64 words, and so many of their neighbours that a tile holds a
few thousand entries. Frequent words fill their tiles; a tile of rare words takes only the
columns that are not empty. For a tile of R rows and C columns, all scores are one matrix product, words @
contexts.T; the entries are read out of it, their errors are put into an R × C matrix that is 0 elsewhere, and
two more products give the gradients:

    scores     = words @ contexts.T                                     (R, C)
    pulls      = weight · (scores − log X) at the entries, else 0       (R, C)
    d_words    = pulls @ contexts                                       (R, D)   Σ_j d_difference_ij · c_j
    d_contexts = pulls.T @ words                                        (C, D)   Σ_i d_difference_ij · w_i

Arithmetic on the empty places is wasted, and still cheaper than gathering two vectors for each entry.
AdaGrad's squares are those of the single entries, Σ_j (d_difference_ij · c_j)², which is a product too:
pulls² @ contexts². With tiles of one entry this is the plain loop; with larger ones the gradients of a tile
are all taken before its step.

The biases are columns of the same tables: a word's row is [w, b, 1], a context's row [c, 1, b′], and their
product is w·c + b + b′. The ones do not move, because their squares in AdaGrad begin at infinity.

Since X is symmetric, its upper half is enough: where words and contexts change roles, the tile of rows I and
columns J is that of rows J and columns I. Every tile is visited in both roles, in random order. The entries
of the diagonal would be visited twice, so they weigh half as much each time.

Differences from the authors' C program, and other traps:
- Its newer version, which clips gradients, forgets the rate in the steps of the biases: at eta = 0.05 they
  are 20 times as large as meant. Here all parameters have the same rate.
- It gathers (eta · gradient)² in place of gradient², so that the rate hardly falls, and only after the step.
  Here it is AdaGrad as published.
- Its vectors begin within ±0.5/D, so that each gradient, a multiple of another word's vector, is tiny too:
  the first epochs do little but leave this saddle. Here they begin within ±1/√D, with a length of about 0.6
  for any D.
- log 0: only entries that were counted are visited.
- A word without a neighbour has no entry; its vector would be the random one that it began with,
  close to some words by chance. Here it is 0.
- f, and with it all gradients, depend on x_max: the counts of a small text are far below 100, so that all
  weigh little and learn slowly. The paper's 100 is meant for billions of words; for a class's text try 10.
"""

from typing import NamedTuple

import numpy as np

from minibert.word_vectors.checks import check_positive, check_whole, refuse_others
from minibert.word_vectors.glove_counts import count_cooccurrences
from minibert.word_vectors.glove_plain import GloVeObjective
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec_text import check_two_words, read_vocabulary

STRIP = 64           # rows of a tile
MAX_ENTRIES = 2048   # of a tile, which is wider where it is emptier ...
MAX_CELLS = 1 << 15  # ... up to 128 KB of scores, which the processor's cache holds
MIN_ENTRIES = 512    # replaces MAX_ENTRIES for a small matrix: small steps are closer to the plain loop ...
MIN_TILES = 100      # ... but a hundred tiles are enough
VISITS_A_REPORT = 64


class Tile(NamedTuple):
    """The entries of a strip of rows and some columns; K entries in R·C cells."""

    first: int  # rows first … last − 1
    last: int
    columns: np.ndarray  # (C,) integers, each once
    cells: np.ndarray  # (K,) int32: row of the tile · C + column of the tile
    log_counts: np.ndarray  # (K,) float32
    weights: np.ndarray  # (K,) float32: f(X), half of it on the diagonal


class Table(NamedTuple):
    """Vectors with their biases, and AdaGrad's squares; rows are [w, b, 1] or, of contexts, [c, 1, b′]."""

    values: np.ndarray  # (V, D + 2) float32
    squares: np.ndarray  # (V, D + 2) float32


class GloVe(WordVectors):
    """Word vectors trained on co-occurrence counts.

    Args:
        sentences: an iterable of lists of words; it is read once. No pair of words reaches from one list into
            the next, so the items are sentences or documents, whichever is to bound the context.
        vector_size: D.
        window: the largest distance of two words that count as a pair; a pair counts 1/distance.
        x_max, alpha: a pair weighs (X/x_max)^alpha, and 1 from x_max on. 10 suits small texts.
        eta: AdaGrad's rate.
        epochs: how often all entries are visited.
        seed: of the start and the order; equal seeds give equal vectors.
        min_count: words that are rarer are left out of the text before distances are measured.
        workers: accepted, and changes nothing: one thread trains.
        on_progress: a function called during training with the number of entries visited and of all visits to
            be made.

    Attributes: those of WordVectors; vectors are the sums w + c, as in the paper. Further
        word_vectors, context_vectors: (V, D).  word_bias, context_bias: (V,).
        num_words: words of the text, those left out included.
        num_entries: entries of the co-occurrence matrix that are not 0.
        objectives: for each epoch ½ f(X) (w·c + b + b′ − log X)², the mean of the entries when visited.
        objective: the same at the end.

    Raises:
        TypeError: an argument is of another kind; the message names it and the kind expected.
        ValueError: an argument is out of range, sentences are not lists of words, or no pair is left.
        FloatingPointError: the vectors are no longer finite; eta is too large.
    """

    def __init__(self, sentences, vector_size=50, window=15, x_max=100, alpha=0.75, eta=0.05, epochs=25,
                 seed=0, min_count=1, workers=1, on_progress=None, **others):
        refuse_others("GloVe", others)
        check_whole(1, vector_size=vector_size, window=window, epochs=epochs, min_count=min_count,
                    workers=workers)
        check_whole(0, seed=seed)
        check_positive(x_max=x_max, alpha=alpha, eta=eta)
        vocabulary = read_vocabulary(sentences, min_count)
        check_two_words(vocabulary, min_count)
        upper = count_cooccurrences(vocabulary.word_ids, vocabulary.sentence_ids, window)
        self.num_words, self.num_entries = vocabulary.num_words, upper.num_entries
        trainer = Trainer(upper, len(vocabulary.words), vector_size, x_max, alpha, eta, seed)
        del upper  # the trainer's tiles hold the same numbers
        totals, final_total = trainer.train(epochs, on_progress)
        self.objectives = [total / self.num_entries for total in totals]
        self.objective = final_total / self.num_entries
        words, contexts = trainer.words.values, trainer.contexts.values
        self.word_vectors, self.context_vectors = words[:, :-2].copy(), contexts[:, :-2].copy()
        self.word_bias, self.context_bias = words[:, -2].copy(), contexts[:, -1].copy()
        super().__init__(vocabulary.words, self.word_vectors + self.context_vectors, vocabulary.counts)


class Trainer:
    """Tiles, tables, and the visits that change the tables."""

    def __init__(self, upper, vocab_size, vector_size, x_max, alpha, eta, seed, strip=STRIP, max_entries=None,
                 max_cells=MAX_CELLS):
        self.x_max, self.alpha, self.eta = x_max, alpha, np.float32(eta)
        self.rng = np.random.default_rng(seed)
        weights = np.minimum(1, (upper.counts / x_max) ** alpha)
        weights[upper.rows == upper.columns] /= 2
        log_counts = np.log(upper.counts)
        self.words, self.contexts = make_tables(vocab_size, vector_size, self.rng)
        has_entries = np.zeros(vocab_size, bool)
        has_entries[upper.rows] = has_entries[upper.columns] = True
        for table in (self.words, self.contexts):
            table.values[~has_entries, :-2] = 0
        if max_entries is None:
            max_entries = min(max(len(upper.counts) // MIN_TILES, MIN_ENTRIES), MAX_ENTRIES)
        self.tiles = cut_into_tiles(
            upper.rows, upper.columns, log_counts, weights, strip, max_entries, max_cells)
        num_cells = max((tile.last - tile.first) * len(tile.columns) for tile in self.tiles)
        self.scores, self.pulls = np.zeros(num_cells, np.float32), np.zeros(num_cells, np.float32)

    def train(self, epochs, on_progress=None):
        """Visit all tiles `epochs` times; return a list of the epochs' objectives, and the one at the end."""
        from threadpoolctl import threadpool_limits  # not needed to import minibert

        # The products are small: a second thread costs more than it gives.
        with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
            totals = [self.run_epoch(on_progress, epoch, epochs) for epoch in range(epochs)]
            return totals, self.objective()

    def run_epoch(self, on_progress=None, epoch=0, epochs=1):
        """Visit every tile in both roles, in random order.

        Returns:
            The objective, a float: the sum over the tiles, each as it was before its step.
        """
        total, num_visited = 0.0, 0
        num_an_epoch = 2 * sum(len(tile.cells) for tile in self.tiles)
        visits = self.rng.permutation(2 * len(self.tiles))
        for number, visit in enumerate(visits, start=1):
            tile = self.tiles[visit // 2]
            total += self.visit(tile, *self.roles(visit % 2))
            num_visited += len(tile.cells)
            if number % VISITS_A_REPORT == 0 or number == len(visits):
                if not np.isfinite(total):
                    raise FloatingPointError(f"the objective is no longer finite in epoch {epoch + 1}; try a "
                                             f"rate below eta={self.eta:g}")
                if on_progress is not None:
                    on_progress(epoch * num_an_epoch + num_visited, epochs * num_an_epoch)
        return total

    def roles(self, is_swapped):
        """Return (table of the rows, table of the columns)."""
        return (self.contexts, self.words) if is_swapped else (self.words, self.contexts)

    def visit(self, tile, row_table, column_table):
        """Take a step of AdaGrad for the entries of a tile, in place; return their objective before it."""
        at_rows, at_columns = slice(tile.first, tile.last), tile.columns
        words = row_table.values[at_rows]                                       # (R, D + 2)
        contexts = column_table.values[at_columns]                              # (C, D + 2)
        loss, pulls = self.pulls_of(tile, words, contexts)                      # (R, C)
        d_words = pulls @ contexts                                              # (R, D + 2)
        d_contexts = pulls.T @ words                                            # (C, D + 2)
        squared_pulls = np.multiply(pulls, pulls, out=pulls)                    # (R, C)
        del pulls  # its memory now holds the squares
        word_squares = row_table.squares[at_rows]                               # (R, D + 2)
        context_squares = column_table.squares[at_columns]                      # (C, D + 2)
        new_word_squares = word_squares + squared_pulls @ (contexts * contexts)
        new_context_squares = context_squares + squared_pulls.T @ (words * words)
        row_table.values[at_rows] = words - self.eta * d_words / np.sqrt(new_word_squares)
        column_table.values[at_columns] = contexts - self.eta * d_contexts / np.sqrt(new_context_squares)
        row_table.squares[at_rows] = new_word_squares
        column_table.squares[at_columns] = new_context_squares
        return loss

    def pulls_of(self, tile, words, contexts):
        """Return the objective of a tile, and its pulls (R, C), which are overwritten by the next call."""
        shape = (len(words), len(contexts))
        num_cells = shape[0] * shape[1]
        scores = np.matmul(words, contexts.T, out=self.scores[:num_cells].reshape(shape))  # (R, C)
        difference = scores.reshape(-1)[tile.cells] - tile.log_counts           # (K,)
        pull = tile.weights * difference                                        # (K,)
        pulls = self.pulls[:num_cells]
        pulls.fill(0)
        pulls[tile.cells] = pull
        return 0.5 * float(pull @ difference), pulls.reshape(shape)

    def objective(self):
        """Return the objective of all entries."""
        total = 0.0
        for tile in self.tiles:
            for row_table, column_table in (self.roles(0), self.roles(1)):
                words = row_table.values[tile.first:tile.last]
                contexts = column_table.values[tile.columns]
                total += self.pulls_of(tile, words, contexts)[0]
        return total

    def plain_form(self):
        """Return the present vectors and biases as the plain form has them: a GloVeObjective in float64."""
        words, contexts = self.words.values.astype(np.float64), self.contexts.values.astype(np.float64)
        return GloVeObjective(word_vectors=words[:, :-2].copy(),
                              context_vectors=contexts[:, :-2].copy(),
                              word_bias=words[:, -2].copy(),
                              context_bias=contexts[:, -1].copy(),
                              x_max=self.x_max,
                              alpha=self.alpha)


def make_tables(vocab_size, vector_size, rng):
    """Return the Tables of words and contexts: random vectors of length 0.6 or so, biases of 0, and ones."""
    tables = []
    for bias_column in (-2, -1):
        values = np.ones((vocab_size, vector_size + 2), np.float32)
        values[:, :-2] = rng.uniform(-1, 1, (vocab_size, vector_size)) / np.sqrt(vector_size)
        values[:, bias_column] = 0
        squares = np.ones_like(values)
        squares[:, -3 - bias_column] = np.inf  # of the column of ones
        tables.append(Table(values, squares))
    return tables


def cut_into_tiles(rows, columns, log_counts, weights, strip, max_entries, max_cells):
    """Return the Tiles of a matrix, given as entries in the order of their rows.

    Each strip of rows is cut wherever a tile would hold more than max_entries or max_cells; one column is the
    least.
    """
    log_counts, weights = log_counts.astype(np.float32), weights.astype(np.float32)
    tiles = []
    vocab_size = int(columns.max()) + 1
    borders = np.searchsorted(rows, np.arange(0, vocab_size + strip, strip))
    for number, (start, end) in enumerate(zip(borders[:-1], borders[1:])):
        if start == end:
            continue
        first, last = number * strip, min((number + 1) * strip, vocab_size)
        not_empty, column_of = np.unique(columns[start:end], return_inverse=True)
        entries_before = np.concatenate([[0], np.cumsum(np.bincount(column_of))])
        by_column = np.argsort(column_of, kind="stable")
        left, max_columns = 0, max(1, max_cells // (last - first))
        while left < len(not_empty):
            right = np.searchsorted(entries_before, entries_before[left] + max_entries, side="right") - 1
            right = min(max(right, left + 1), left + max_columns, len(not_empty))
            entries = by_column[entries_before[left]:entries_before[right]]
            entries = np.sort(entries)  # in the order of the rows again
            cells = (rows[start:end][entries] - first) * (right - left) + column_of[entries] - left
            tiles.append(Tile(first=first,
                              last=last,
                              columns=not_empty[left:right],
                              cells=cells.astype(np.int32),
                              log_counts=log_counts[start:end][entries],
                              weights=weights[start:end][entries]))
            left = right
    return tiles
