"""XLNet's examples: the same text in one of its orders, of which the last part is predicted.

    Permutations turns the sentence pairs of other examples into

        A [SEP] B [SEP] [CLS]     segments 0 (A), 1 (B), 2 ([CLS]), 3 (padding, on the right)

No token is replaced. Some words are chosen, in spans, and come last in the order: each of their tokens sees
all words that were not chosen, and those of the chosen that come earlier. The others see each other. Hence
the first predicted tokens see least, and the last ones all but themselves.

Source: Yang et al. 2019, "XLNet", sections 2.3 and 2.4, and its data_utils.py: partial prediction, spans of
1 to 5 words.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.masking import word_start_table

TRAINING, HELD_OUT = 5, 6  # generators are made from [seed, purpose, step]; see sentence_pairs.py for 0 to 3
CLS_SEGMENT, PAD_SEGMENT = 2, 3


class PermutationBatch(NamedTuple):
    """The arguments of `XLNetLMHeadModel.forward`: int64 arrays, and booleans for the two of three axes."""

    input_ids: np.ndarray       # (B, T): A [SEP] B [SEP] [CLS], then [PAD]; nothing is masked
    token_type_ids: np.ndarray  # (B, T)
    attention_mask: np.ndarray  # (B, T): 1 for a token, 0 for [PAD]
    perm_mask: np.ndarray       # (B, T, T): token i may not look at token j
    target_mapping: np.ndarray  # (B, M, T): True at the place of the predicted token m
    labels: np.ndarray          # (B, M): ids of the predicted tokens, IGNORE_INDEX where a row has fewer


class Permutations:
    """Sentence pairs of other examples, in random orders; `batch` and `held_out` as theirs.

    Args:
        examples: SentencePairs, SingleTexts or ToyExamples.  tokenizer: theirs.
        seed: an int, 0 or more; the same seed gives the same orders.
        predicted: share of the words that is predicted; about a sixth in the paper.
        longest_span: the most words in a span; a span of n words is 1/n times as likely as one of 1.
    """

    def __init__(self, examples, tokenizer, seed=0, predicted=1 / 6, longest_span=5):
        if not 0 < predicted <= 1 or longest_span < 1:
            raise ValueError(
                f"predicted must be above 0 and at most 1, and longest_span 1 or more; got {predicted} and "
                f"{longest_span}"
            )
        self.examples, self.tokenizer, self.seed = examples, tokenizer, seed
        self.options = {"predicted": predicted, "longest_span": longest_span}
        self.word_starts = word_start_table(tokenizer)

    def batch(self, step, batch_size):
        """Return the PermutationBatch of a training step (0, 1, 2, ...), the same at every call."""
        return self._permuted(self.examples.batch(step, batch_size), TRAINING, step)

    def held_out(self, batch_size):
        """Return a list of streams of one PermutationBatch each, the same at every call."""
        return self.permuted(self.examples.held_out(batch_size))

    def permuted(self, streams):
        """Return streams of one PairBatch each as streams of one PermutationBatch each."""
        return [[self._permuted(batch, HELD_OUT, number)] for number, [batch] in enumerate(streams)]

    def _permuted(self, batch, purpose, number):
        rng = np.random.default_rng([self.seed, purpose, number])
        return permutation_batch(batch, self.tokenizer, rng, word_starts=self.word_starts, **self.options)


def permutation_batch(batch, tokenizer, rng, *, word_starts, predicted=1 / 6, longest_span=5):
    """Return a PairBatch as a PermutationBatch: unmasked, with [CLS] at the end, and in a random order.

    Args:
        batch: a PairBatch.  tokenizer: of its ids.  rng: a NumPy Generator.
        word_starts: bool (V,), the tokens that start a word, as word_start_table(tokenizer).
        predicted, longest_span: as in Permutations.
    """
    clean_ids = np.where(batch.labels == IGNORE_INDEX, batch.input_ids, batch.labels)       # (B, T)
    place, lengths = np.arange(clean_ids.shape[1]), batch.attention_mask.sum(axis=1)[:, np.newaxis]
    is_pad, is_cls = place >= lengths, place == lengths - 1                                 # (B, T) each
    where = [is_pad, is_cls]
    ids = np.select(where, [tokenizer.pad_token_id, tokenizer.cls_token_id], np.roll(clean_ids, -1, axis=1))
    types = np.select(where, [PAD_SEGMENT, CLS_SEGMENT], np.roll(batch.token_type_ids, -1, axis=1))
    is_word = ~is_pad & ~is_cls & (ids != tokenizer.sep_token_id)
    chosen = choose_spans(is_word, is_word & word_starts[ids], rng, predicted, longest_span)
    order = np.where(chosen, 1 - rng.random(chosen.shape), 0)                               # 0 if not chosen
    target_mapping, labels = targets(ids, chosen)
    return PermutationBatch(
        input_ids=ids, token_type_ids=types, attention_mask=batch.attention_mask, perm_mask=order_mask(order),
        target_mapping=target_mapping, labels=labels)


def choose_spans(is_word, starts_word, rng, predicted=1 / 6, longest_span=5):
    """Return the tokens to predict, bool (B, T): spans of whole words, one word in each row at least.

    A row is cut into stretches of round(n / predicted) words, and each has a span of n words somewhere in it;
    n is drawn anew for each, from 1 to longest_span with a probability in proportion to 1/n.

    Args:
        is_word: bool (B, T), the tokens that may be chosen.  starts_word: bool (B, T), those that start a
            word; so does one that follows a token that may not be chosen.
        rng, predicted, longest_span: as in permutation_batch.
    """
    after_other = np.pad(~is_word, ((0, 0), (1, 0)), constant_values=True)[:, :-1]          # (B, T)
    word = np.cumsum(is_word & (starts_word | after_other), axis=1) - 1                     # (B, T), number
    num_words = word[:, -1:] + 1                                                            # (B, 1)
    number = np.arange(max(1, int(num_words.max())))                                        # (W,)
    sizes = np.arange(1, longest_span + 1)
    weights = 1 / sizes
    chosen, start = np.zeros((len(is_word), len(number)), bool), np.zeros_like(num_words)   # (B, W), (B, 1)
    while (start < num_words).any():
        size = rng.choice(sizes, start.shape, p=weights / weights.sum())                    # (B, 1)
        stretch = np.rint(size / predicted).astype(int)                                     # (B, 1)
        first = start + rng.integers(stretch - size + 1)                                    # (B, 1)
        chosen |= (number >= first) & (number < first + size)
        start = start + stretch
    chosen &= number < num_words
    one = np.floor(rng.random(num_words.shape) * num_words)                                 # (B, 1)
    chosen |= (number == one) & ~chosen.any(axis=1, keepdims=True)
    return is_word & np.take_along_axis(chosen, np.maximum(word, 0), axis=1)


def order_mask(order):
    """Return who may not look at whom, bool (B, T, T): token i not at token j that does not come before it.

    Args:
        order: (B, T), 0 for the tokens that all may look at; a token with a higher number comes later.

    The diagonal is True wherever the order is not 0: no token is predicted from itself.
    """
    return (order[:, np.newaxis] > 0) & (order[:, np.newaxis] >= order[:, :, np.newaxis])


def targets(ids, chosen):
    """Return target_mapping (B, M, T) and labels (B, M) of the chosen tokens, from left to right."""
    counts = chosen.sum(axis=1, keepdims=True)                                              # (B, 1)
    places = np.argsort(~chosen, axis=1, kind="stable")[:, :max(1, int(counts.max()))]      # (B, M)
    is_target = np.arange(places.shape[1]) < counts                                         # (B, M)
    mapping = is_target[:, :, np.newaxis] & (places[:, :, np.newaxis] == np.arange(ids.shape[1]))
    return mapping, np.where(is_target, np.take_along_axis(ids, places, axis=1), IGNORE_INDEX)
