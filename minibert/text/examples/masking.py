"""Masking: which tokens are to be predicted, and which ones the model sees in their place.

Source: Devlin et al. 2018, "BERT", section 3.1 and appendix A.1-A.2; whole words: its code of May 2019.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.tokenizer import CONTINUATION


class Hiding(NamedTuple):
    """What the model sees in the place of a chosen token; the probabilities add up to 1.

    Attributes:
        masked: it sees [MASK].  random: a random token.  kept: the token itself.
    """

    masked: float
    random: float
    kept: float


AS_BERT, AS_ELECTRA = Hiding(0.8, 0.1, 0.1), Hiding(0.85, 0.0, 0.15)


def mask_tokens(input_ids, candidates, rng, vocab_size, mask_token_id, lengths=None, mlm_probability=0.15,
                max_predictions_per_seq=None, word_starts=None, hiding=AS_BERT):
    """Choose the tokens to be predicted and hide them, as BERT does.

    In each row, round(mlm_probability * length) candidates are chosen, but at least one and at most
    `max_predictions_per_seq`. A chosen token becomes [MASK] with probability 0.8, a random token with
    probability 0.1, and stays as it is with probability 0.1; a single draw decides. The random token is any
    of the vocabulary, special tokens included, as in the reference code.

    Args:
        input_ids: int (B, T); not changed.
        candidates: bool (B, T), the tokens that may be chosen: not [CLS], [SEP] and [PAD].
        rng: a NumPy Generator.
        lengths: int (B,), the tokens of each row. The reference code counts [CLS] and [SEP]; None counts
            candidates.
        vocab_size: V; random tokens have the ids 0 to V - 1.
        mlm_probability: the fraction of the tokens that is chosen.
        max_predictions_per_seq: the most tokens chosen in a row; None for no bound.
        word_starts: bool (B, T), the tokens that start a word. If given, whole words are chosen (whole-word
            masking): in random order, passing over those that would make it too many tokens. A row gets none
            if all are too long.
        hiding: a Hiding with other probabilities.

    Returns:
        (masked input_ids, labels), int64 (B, T) each: the labels are the original ids of the chosen tokens
        and IGNORE_INDEX elsewhere.
    """
    if lengths is None:
        lengths = candidates.sum(axis=1)
    to_choose = np.maximum(1, np.rint(mlm_probability * lengths)).astype(np.int64)  # (B,)
    if max_predictions_per_seq is not None:
        to_choose = np.minimum(to_choose, max_predictions_per_seq)
    if word_starts is None:
        chosen = _choose_tokens(candidates, to_choose, rng)  # (B, T)
    else:
        chosen = _choose_words(candidates, to_choose, word_starts, rng)

    return hide_tokens(input_ids, chosen, rng, vocab_size, mask_token_id, hiding)


def hide_tokens(input_ids, chosen, rng, vocab_size, mask_token_id, hiding=AS_BERT):
    """Hide the chosen tokens, bool (B, T), as BERT does; arguments and results as in `mask_tokens`."""
    labels = np.where(chosen, input_ids, IGNORE_INDEX)
    draw = rng.random(np.count_nonzero(chosen))  # (M,)
    random_ids = rng.integers(vocab_size, size=len(draw))
    masked_ids = input_ids.copy()
    random_or_same = np.where(draw < hiding.masked + hiding.random, random_ids, input_ids[chosen])
    masked_ids[chosen] = np.where(draw < hiding.masked, mask_token_id, random_or_same)
    return masked_ids, labels


def _choose_tokens(candidates, to_choose, rng):
    """Return bool (B, T): in each row, the `to_choose` (B,) candidates with the lowest random scores."""
    scores = np.where(candidates, rng.random(candidates.shape), 2.0)  # candidates are below 1
    last = np.minimum(to_choose, candidates.shape[1]) - 1
    threshold = np.take_along_axis(np.sort(scores, axis=1), last[:, None], axis=1)  # (B, 1)
    return candidates & (scores <= threshold)


def _choose_words(candidates, to_choose, word_starts, rng):
    """Return bool (B, T): in each row, whole words of at most `to_choose` (B,) tokens, in random order."""
    rows = np.arange(len(candidates))
    word = np.cumsum(word_starts | ~candidates, axis=1)  # (B, T), the number of each token's word in its row
    num_words = word.max() + 1
    sizes = np.zeros((len(candidates), num_words), np.int64)  # of each word, in candidates
    np.add.at(sizes, (rows[:, None], word), candidates)
    order = np.argsort(rng.random(sizes.shape), axis=1)
    taken = np.zeros(sizes.shape, bool)
    num_chosen = np.zeros(len(candidates), np.int64)
    for next_word in order.T:  # (B,), one word of each row
        size = sizes[rows, next_word]
        fits = num_chosen + size <= to_choose
        taken[rows, next_word] = fits
        num_chosen += size * fits
    return candidates & np.take_along_axis(taken, word, axis=1)


def word_start_table(tokenizer):
    """Return bool (V,): False for the tokens that continue a word ("##ing"), True for all others."""
    return np.array([not token.startswith(CONTINUATION) for token in tokenizer.id_to_token])
