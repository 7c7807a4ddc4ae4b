"""BERT's pretraining examples in the toy language: pairs of sentences, drawn from its exact distribution, and masked.

    [CLS] A [SEP] B [SEP]      A and B neighbours in a document (label 0), or from two documents (label 1), evenly

In two of five "not next" pairs the second document has the topic of the first: then only the order of a script, the
hero, the item or the crop tell. B's kind of sentence is distributed alike under both labels, so it tells nothing alone.
Every training batch is new text. Each token is selected by a coin of its own (the reference fixes the number for each
sequence), of the selected 80 % become [MASK], 10 % a random token of the whole vocabulary, 10 % stay.
"""

from typing import NamedTuple

import numpy as np

from minibert.text.examples.masking import hide_tokens
from minibert.text.examples.sentence_pairs import Batch

SAME_TOPIC = 0.4  # of the "not next" pairs
NUM_SPECIAL = 5  # the ids of the words begin after those of [PAD], [UNK], [CLS], [SEP], [MASK]
STEPS_AT_ONCE = 64  # batches that are drawn together, which is quicker


class Pairs(NamedTuple):
    """Pairs of sentences, with all that the generator knows of them: N pairs of at most T tokens.

    Attributes:
        plans: int (N, 2).  topics: int (N, 2), of the documents.
        batch: a Batch of (N, T) and (N,) arrays, masked.
        clean_ids: int (N, T), before masking.  tags: int (N, T), the phenomenon of each token, -1 for special tokens.
    """

    plans: np.ndarray
    topics: np.ndarray
    batch: Batch
    clean_ids: np.ndarray
    tags: np.ndarray


class ToyExamples:
    """The examples of a toy language; `batch` and `held_out` as in PretrainingExamples.

    Args:
        language: a Language.
        tokenizer: language.tokenizer().
        seed: an int, 0 or more.
        mlm_probability: the probability that a token is selected.
        next_sentence_probability: the probability that B follows A.
    """

    def __init__(self, language, tokenizer, seed=0, mlm_probability=0.15, next_sentence_probability=0.5):
        self.language, self.tokenizer, self.seed = language, tokenizer, seed
        self.mlm_probability, self.next_sentence_probability = mlm_probability, next_sentence_probability
        self._block = None  # (number, batch_size) of the pairs below
        self._pairs = None

    def batch(self, step, batch_size):
        """Return the Batch of a training step (0, 1, 2, ...): the same whenever it is asked for."""
        number, index = divmod(step, STEPS_AT_ONCE)
        if self._block != (number, batch_size):
            self._pairs = self.pairs(STEPS_AT_ONCE * batch_size, np.random.default_rng([self.seed, 1, number])).batch
            self._block = number, batch_size
        return _without_padding(Batch(*(array[index * batch_size : (index + 1) * batch_size] for array in self._pairs)))

    def held_out(self, number):
        """Return Pairs for evaluation, by length; they depend on `number` alone, so that all runs are scored on the same."""
        pairs = self.pairs(number, np.random.default_rng([number]))
        order = np.argsort(pairs.batch.attention_mask.sum(axis=1), kind="stable")
        return Pairs(pairs.plans[order], pairs.topics[order], Batch(*(array[order] for array in pairs.batch)),
                     pairs.clean_ids[order], pairs.tags[order])  # fmt: skip

    def pairs(self, number, rng):
        """Return `number` Pairs."""
        plans, topics, label = self._sample_plans(number, rng)
        words = self.language.sample_words(plans, rng)  # (N, 2, L)
        lengths = self.language.lengths[plans]  # (N, 2)
        sep_a = 1 + lengths[:, :1]  # (N, 1), the place of the first [SEP]
        sep_b = sep_a + 1 + lengths[:, 1:]
        place = np.arange(sep_b.max() + 1)
        in_b = (place > sep_a) & (place < sep_b)
        index = np.clip(np.where(in_b, place - sep_a - 1, place - 1), 0, words.shape[2] - 1)  # in the sentence
        which = np.arange(number)[:, np.newaxis], in_b.astype(int), index
        ids, tags = words[which] + NUM_SPECIAL, self.language.tags[plans][which]  # (N, T)
        is_word = ((place > 0) & (place < sep_a)) | in_b
        tags = np.where(is_word, tags, -1)
        ids[:, 0] = self.tokenizer.cls_token_id
        ids[(place == sep_a) | (place == sep_b)] = self.tokenizer.sep_token_id
        ids[place > sep_b] = self.tokenizer.pad_token_id
        selected = is_word & (rng.random(ids.shape) < self.mlm_probability)
        input_ids, labels = hide_tokens(ids, selected, rng, self.tokenizer.vocab_size, self.tokenizer.mask_token_id)
        token_type_ids, attention_mask = ((place > sep_a) & (place <= sep_b)).astype(np.int64), (place <= sep_b).astype(np.int64)
        return Pairs(plans, topics, Batch(input_ids, token_type_ids, attention_mask, labels, label), ids, tags)

    def _sample_plans(self, number, rng):
        """Return the plans (N, 2), the topics of the two documents (N, 2), and the labels (N,)."""
        language = self.language
        num_states = len(language.next_states)
        states = rng.choice(num_states**2, number, p=language.next_states.ravel())
        label = (rng.random(number) >= self.next_sentence_probability).astype(np.int64)
        here, elsewhere = language.sample_constants(number, rng), language.sample_constants(number, rng)
        elsewhere["topic"] = np.where(rng.random(number) < SAME_TOPIC, here["topic"], elsewhere["topic"])
        there = {name: np.where(label == 0, here[name], elsewhere[name]) for name in here}
        # The state of a "not next" B is that of another pair's B: distributed alike, and independent of A's.
        states_a, states_b = states // num_states, states % num_states
        shuffled = rng.choice(num_states, number, p=language.next_states.sum(axis=0))
        plans = np.stack([language.sample_plans(states_a, here, rng),
                          language.sample_plans(np.where(label == 0, states_b, shuffled), there, rng)], axis=1)  # fmt: skip
        return plans, np.stack([here["topic"], there["topic"]], axis=1), label


def split(batch, batch_size):
    """Return a list of Batch of `batch_size` sequences each, the last one may be smaller, each without needless padding."""
    return [_without_padding(Batch(*(array[start : start + batch_size] for array in batch)))
            for start in range(0, len(batch.input_ids), batch_size)]  # fmt: skip


def _without_padding(batch):
    longest = int(batch.attention_mask.sum(axis=1).max())
    return Batch(*(array[:, :longest] for array in batch[:4]), batch.next_sentence_label)
