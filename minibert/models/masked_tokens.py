"""The masked-language-model head with its loss, on the states of any body."""

from typing import NamedTuple

import numpy as np

from minibert.layers.base import Layer, describe_cache
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy, CrossEntropyCache
from minibert.models.bert import MLMHead, MLMHeadCache
from minibert.models.checks import integers


class MaskedTokenOutput(NamedTuple):
    loss: np.floating | None
    mlm_loss: np.floating | None  # its one part
    logits: np.ndarray  # (M, V) for the predicted positions, (B, T, V) without labels
    counts: dict  # {"mlm": M}
    __repr__ = describe_cache


class MaskedTokenHeadCache(NamedTuple):
    states_shape: tuple  # (B, T, H)
    predicted: np.ndarray | None  # (M,) flat positions whose label is not -100
    mlm_head: MLMHeadCache
    mlm_loss: CrossEntropyCache | None
    __repr__ = describe_cache


class MaskedTokenHead(Layer):
    """logits = mlm_head(states), for every token; with labels for those whose label is not -100.

    The loss is the mean cross-entropy over these (Devlin et al. 2018, section 3.1). The promise is that of
    the heads in heads.py.

    Args:
        config, token_embedding, rng, dtype: as of MLMHead.

    Derivation: states whose tokens are not predicted reach no loss, so their gradient is 0.
    """

    def __init__(self, config, token_embedding, rng, dtype=np.float32):
        self.mlm_head = MLMHead(config, token_embedding, rng, dtype)
        self.mlm_loss = CrossEntropy()

    def forward(self, states, labels=None):
        """states (B, T, H); labels (B, T) → MaskedTokenOutput, cache."""
        labels = None if labels is None else integers("labels", labels, states.shape[:2])
        predicted = None if labels is None else np.flatnonzero(labels != IGNORE_INDEX)  # (M,)
        state_rows = states.reshape(-1, states.shape[-1])                               # (B·T, H)
        asked = states if labels is None else state_rows[predicted]                     # (M, H)
        logits, mlm_head_cache = self.mlm_head.forward(asked)                           # (M, V)
        mlm_loss, mlm_loss_cache, counts = None, None, {}
        if labels is not None:
            answers = labels.reshape(-1)[predicted]                                     # (M,)
            mlm_loss, mlm_loss_cache = self.mlm_loss.forward(logits, answers)
            counts["mlm"] = len(answers)
        cache = MaskedTokenHeadCache(states.shape, predicted, mlm_head_cache, mlm_loss_cache)
        return MaskedTokenOutput(mlm_loss, mlm_loss, logits, counts), cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"mlm": number} → d_states (B, T, H).

        Raises:
            ValueError: forward was given no labels, so there is no loss.
        """
        if cache.mlm_loss is None:
            raise ValueError("there is no loss to go back from: give forward labels")
        d_mlm_loss = d_loss["mlm"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.mlm_loss.backward(d_mlm_loss, cache.mlm_loss)                # (M, V)
        d_asked = self.mlm_head.backward(d_logits, cache.mlm_head)                      # (M, H)
        d_states = np.zeros(cache.states_shape, d_asked.dtype)                          # (B, T, H)
        d_state_rows = d_states.reshape(-1, d_states.shape[-1])                         # (B·T, H), a view
        d_state_rows[cache.predicted] = d_asked                                         # each position once
        return d_states
