"""BERT's pretraining examples in the toy language: masked sentence pairs, from their exact distribution.

    [CLS] A [SEP] B [SEP]      label 0: A and B are neighbours in a document
                               label 1: they are from two documents; both labels are equally likely

In a quarter of the "not next" pairs the second document has the topic of the first: then only the order of a
script, the hero, the item or the crop tells the label. B's kind of sentence is distributed alike under both
labels, so it tells nothing alone. Every training batch is new text. Each token is selected independently of
the others (the reference fixes the number for each sequence). Of the selected tokens 80 % become [MASK], 10 %
a random token of the whole vocabulary, and 10 % stay.
"""

from typing import NamedTuple

import numpy as np

from minibert.text.examples.masking import AS_BERT, hide_tokens
from minibert.text.examples.sentence_pairs import PairBatch

SAME_TOPIC = 0.25  # of the "not next" pairs
NUM_SPECIAL = 5  # the ids of the words begin after those of [PAD], [UNK], [CLS], [SEP], [MASK]
STEPS_AT_ONCE = 64  # batches that are drawn together, which is quicker
NUM_HELD_OUT = 8192  # pairs that every run is evaluated on


class Pairs(NamedTuple):
    """Pairs of sentences, with all that the generator knows of them: N pairs of at most T tokens."""

    plans: np.ndarray  # (N, 2) integers
    topics: np.ndarray  # (N, 2) integers, those of the two documents
    batch: PairBatch  # (N, T) and (N,) arrays, masked
    clean_ids: np.ndarray  # (N, T) integers: the tokens before masking
    tags: np.ndarray  # (N, T) integers: the phenomenon that decides each token, -1 for special tokens


class ToyExamples:
    """Masked sentence pairs of a toy language; `batch` and `held_out` as in SentencePairs.

    Args:
        language: a Language.
        tokenizer: language.tokenizer().
        seed: an int, 0 or more.
        mlm_probability: the probability that a token is selected.
        next_sentence_probability: the probability that B follows A.
    """

    hiding = AS_BERT

    def __init__(self, language, tokenizer, seed=0, mlm_probability=0.15, next_sentence_probability=0.5):
        self.language = language
        self.tokenizer = tokenizer
        self.seed = seed
        self.mlm_probability = mlm_probability
        self.next_sentence_probability = next_sentence_probability
        self._drawn = None  # (number of the draw, batch_size) of the batches below
        self._batches = None  # a PairBatch of STEPS_AT_ONCE batches

    def batch(self, step, batch_size):
        """Return the PairBatch of a training step (0, 1, 2, ...), the same at every call."""
        number, index = divmod(step, STEPS_AT_ONCE)
        if self._drawn != (number, batch_size):
            rng = np.random.default_rng([self.seed, 1, number])
            self._batches = self.pairs(STEPS_AT_ONCE * batch_size, rng).batch
            self._drawn = (number, batch_size)
        return _without_padding(_rows(self._batches, slice(index * batch_size, (index + 1) * batch_size)))

    def held_out(self, batch_size):
        """Return a list of streams of one PairBatch each: NUM_HELD_OUT pairs, the same for every seed."""
        return [[batch] for batch in split(self.held_out_pairs().batch, batch_size)]

    def held_out_pairs(self, number=None):
        """Return `number` Pairs (None: NUM_HELD_OUT) for evaluation, by length, the same for every seed."""
        number = NUM_HELD_OUT if number is None else number
        pairs = self.pairs(number, np.random.default_rng([number]))
        order = np.argsort(pairs.batch.attention_mask.sum(axis=1), kind="stable")
        return Pairs(plans=pairs.plans[order],
                     topics=pairs.topics[order],
                     batch=_rows(pairs.batch, order),
                     clean_ids=pairs.clean_ids[order],
                     tags=pairs.tags[order])

    def pairs(self, number, rng):
        """Return `number` Pairs."""
        plans, topics, next_sentence_label = self._sample_plans(number, rng)
        words = self.language.sample_words(plans, rng)                          # (N, 2, L)
        lengths = self.language.lengths[plans]                                  # (N, 2)
        sep_a = 1 + lengths[:, :1]                                              # (N, 1), the first [SEP]
        sep_b = sep_a + 1 + lengths[:, 1:]                                      # (N, 1), the second [SEP]
        place = np.arange(sep_b.max() + 1)                                      # (T,)
        in_b = (place > sep_a) & (place < sep_b)                                # (N, T)
        is_word = ((place > 0) & (place < sep_a)) | in_b                        # (N, T)
        place_in_sentence = np.where(in_b, place - sep_a - 1, place - 1)        # (N, T)
        place_in_sentence = np.clip(place_in_sentence, 0, words.shape[2] - 1)
        which = np.arange(number)[:, np.newaxis], in_b.astype(int), place_in_sentence
        ids = words[which] + NUM_SPECIAL                                        # (N, T)
        tags = np.where(is_word, self.language.tags[plans][which], -1)          # (N, T)
        ids[:, 0] = self.tokenizer.cls_token_id
        ids[(place == sep_a) | (place == sep_b)] = self.tokenizer.sep_token_id
        ids[place > sep_b] = self.tokenizer.pad_token_id
        selected = is_word & (rng.random(ids.shape) < self.mlm_probability)     # (N, T)
        input_ids, labels = hide_tokens(
            ids, selected, rng, self.tokenizer.vocab_size, self.tokenizer.mask_token_id, self.hiding)
        batch = PairBatch(
            input_ids=input_ids,
            token_type_ids=((place > sep_a) & (place <= sep_b)).astype(np.int64),
            attention_mask=(place <= sep_b).astype(np.int64),
            labels=labels,
            next_sentence_label=next_sentence_label)
        return Pairs(plans, topics, batch, ids, tags)

    def _sample_plans(self, number, rng):
        """Return the plans (N, 2), the topics of the two documents (N, 2), and the labels (N,)."""
        language = self.language
        num_states = len(language.next_states)
        states = rng.choice(num_states**2, number, p=language.next_states.ravel())
        label = (rng.random(number) >= self.next_sentence_probability).astype(np.int64)
        here = language.sample_constants(number, rng)
        elsewhere = language.sample_constants(number, rng)
        elsewhere["topic"] = np.where(rng.random(number) < SAME_TOPIC, here["topic"], elsewhere["topic"])
        there = {name: np.where(label == 0, here[name], elsewhere[name]) for name in here}
        # The state of a "not next" B is that of another pair's B: distributed alike, and independent of A's.
        states_a, states_b = states // num_states, states % num_states
        shuffled = rng.choice(num_states, number, p=language.next_states.sum(axis=0))
        plans_a = language.sample_plans(states_a, here, rng)
        plans_b = language.sample_plans(np.where(label == 0, states_b, shuffled), there, rng)
        topics = np.stack([here["topic"], there["topic"]], axis=1)
        return np.stack([plans_a, plans_b], axis=1), topics, label

    def neighbours(self, number, rng):
        """Return the plans (N, 2) of sentences that follow each other, and their documents' topics (N, 2)."""
        language = self.language
        num_states = len(language.next_states)
        states = rng.choice(num_states**2, number, p=language.next_states.ravel())
        constants = language.sample_constants(number, rng)
        plans_a = language.sample_plans(states // num_states, constants, rng)
        plans_b = language.sample_plans(states % num_states, constants, rng)
        return np.stack([plans_a, plans_b], axis=1), np.repeat(constants["topic"][:, np.newaxis], 2, axis=1)


def split(batch, batch_size):
    """Return a list of PairBatch of `batch_size` sequences or (the last) fewer, without needless padding."""
    return [_without_padding(_rows(batch, slice(start, start + batch_size)))
            for start in range(0, len(batch.input_ids), batch_size)]


def _rows(batch, rows):
    """Return some rows of a batch, as a slice or an array of integers names them."""
    return PairBatch(*(array[rows] for array in batch))


def _without_padding(batch):
    longest = int(batch.attention_mask.sum(axis=1).max())
    return PairBatch(*(array[:, :longest] for array in batch[:4]), batch.next_sentence_label)
