"""A frozen encoder: its states never change, so they are computed once, and only what is above is trained."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.dropout import Dropout
from minibert.layers.walk import walk
from minibert.models.bert import PoolerCache
from minibert.text.examples.labelled import NUM_INPUTS, SpanBatch


class StateBatch(NamedTuple):
    """The arguments of AboveFrozen: the encoder's states, float (B, T, H), and the batch that they are of."""

    states: np.ndarray
    batch: NamedTuple  # TextBatch, TagBatch or SpanBatch


class AboveFrozenCache(NamedTuple):
    pooler: PoolerCache | None
    head: NamedTuple  # the record of the head
    __repr__ = describe_cache


class AboveFrozen(Layer):
    """The pooler, if there is one, and the head of a model, on states that are given.

    Args:
        model: a BERT with a head of models/heads.py; its layers are shared.
    """

    def __init__(self, model):
        self.pooler, self.head = model.bert.pooler, model.head

    def forward(self, states, batch, rng=None):
        """states (B, T, H), of which a pooler reads the first token's → the head's output, cache.

        Of the batch, a named tuple of examples, only the answers are read, behind ids, types and mask.
        """
        answers = batch[NUM_INPUTS:]
        if self.pooler is None:
            output, head_cache = self.head.forward(states, *answers, rng)
            return output, AboveFrozenCache(None, head_cache)
        pooled, pooler_cache = self.pooler.forward(states)                          # (B, H)
        output, head_cache = self.head.forward(pooled, *answers, rng)
        return output, AboveFrozenCache(pooler_cache, head_cache)

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss → d_states (B, T, H)."""
        d_pooled = self.head.backward(cache.head, d_loss)                           # (B, H), or (B, T, H)
        if self.pooler is None:
            return d_pooled
        d_states = self.pooler.backward(d_pooled, cache.pooler)                     # (B, T, H)
        return d_states


def without_dropout(layers):
    """Take the dropout out of frozen layers: noise would be all that changes in them."""
    for _, layer in walk(layers, lambda item: isinstance(item, Dropout)):
        layer.probability, layer.threshold = 0.0, 0


def kept_tokens(model, examples):
    """Return the number of tokens whose states are kept, for each Row of LabelledExamples, (N,).

    Where a model has a pooler, it is the first alone. A span's softmax runs over a batch's padding, too, so
    padding is kept there, up to the longest Row.
    """
    if model.bert.pooler is not None:
        return np.ones(len(examples.rows), int)
    if examples.batch_class is SpanBatch:
        return np.full(len(examples.rows), examples.lengths.max())
    return examples.lengths


def states_of(model, examples, batch_size=32):
    """Return the encoder's states of each Row of LabelledExamples, computed once: {its number: (T, H)}."""
    order, kept = np.argsort(examples.lengths, kind="stable"), kept_tokens(model, examples)
    found = {}
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        batch = examples.of([examples.rows[number] for number in numbers], kept[numbers].max())
        output, _ = model.bert.forward(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        for number, states in zip(numbers.tolist(), output.last_hidden_state):
            found[number] = states[: kept[number]].copy()
    return found


def state_batch(states, examples, numbers):
    """Return the StateBatch of some Rows of LabelledExamples, shorter ones filled up with zeros."""
    batch = examples.of([examples.rows[number] for number in numbers])
    length = min(batch.input_ids.shape[1], max(len(states[number]) for number in numbers))
    stacked = np.zeros((len(numbers), length, states[numbers[0]].shape[1]), states[numbers[0]].dtype)
    for row, number in zip(stacked, numbers):
        row[: len(states[number])] = states[number][:length]
    return StateBatch(stacked, batch)


def tokens_of(batch):
    """Return the batch that the states of a StateBatch are of; another batch as it is."""
    return batch.batch if isinstance(batch, StateBatch) else batch
