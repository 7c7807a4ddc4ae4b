"""A model that nobody needs: it guesses the next token from a running mean, which it passes on."""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers import CrossEntropy, Embedding, Layer, Linear
from minibert.layers.base import describe_cache


@dataclasses.dataclass(frozen=True)
class MadeUpConfig:
    vocab_size: int
    hidden_size: int = 5
    num_hidden_layers: int = 1


class MadeUpOutput(NamedTuple):
    loss: np.floating | None
    next_loss: np.floating | None
    logits: np.ndarray  # (B, T, V)
    counts: dict
    state: tuple  # an entry for each layer: the running mean (B, H)
    __repr__ = describe_cache


class MadeUpCache(NamedTuple):
    embedding: tuple
    output: tuple
    next_loss: tuple | None
    __repr__ = describe_cache


class MadeUpModel(Layer):
    """logits_t = W m_t + b with m_t = ½ (e_t + m_{t−1}); m before the first token comes in as state."""

    config_class = MadeUpConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)

    def __init__(self, config, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.config = config
        self.embedding = Embedding(
            config.vocab_size, config.hidden_size, rng=rng, initializer_range=1.0, dtype=dtype
        )
        self.output = Linear(
            config.hidden_size, config.vocab_size, rng=rng, initializer_range=0.5, dtype=dtype
        )
        self.next_loss = CrossEntropy()

    def forward(self, input_ids, labels=None, state=None, rng=None):
        embedded, embedding_cache = self.embedding.forward(input_ids)  # (B, T, H)
        mean = np.zeros_like(embedded[:, 0]) if state is None else state[0]  # (B, H)
        means = np.empty_like(embedded)  # (B, T, H)
        for t in range(input_ids.shape[1]):
            mean = 0.5 * (embedded[:, t] + mean)
            means[:, t] = mean
        logits, output_cache = self.output.forward(means)  # (B, T, V)
        loss, loss_cache, counts = None, None, {}
        if labels is not None:
            loss, loss_cache = self.next_loss.forward(logits, labels)
            counts["next"] = int((labels != -100).sum())
        cache = MadeUpCache(embedding_cache, output_cache, loss_cache)
        return MadeUpOutput(loss, loss, logits, counts, (mean,)), cache

    def backward(self, cache, d_loss=1.0):
        d_next_loss = d_loss["next"] if isinstance(d_loss, dict) else d_loss
        d_logits, _ = self.next_loss.backward(d_next_loss, cache.next_loss)  # (B, T, V)
        d_means = self.output.backward(d_logits, cache.output)  # (B, T, H)
        d_embedded = np.empty_like(d_means)  # (B, T, H)
        d_mean = np.zeros_like(d_means[:, 0])  # (B, H)
        for t in reversed(range(d_means.shape[1])):
            d_mean = 0.5 * (d_means[:, t] + d_mean)
            d_embedded[:, t] = d_mean
        self.embedding.backward(d_embedded, cache.embedding)
        return d_embedded
