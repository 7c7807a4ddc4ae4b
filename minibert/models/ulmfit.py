"""ULMFiT's classifier: an AWD-LSTM language model that learns to give a text one of K labels.

Source: Howard & Ruder 2018, "Universal language model fine-tuning for text classification", section 3.3. How
it is trained, in three stages, is in minibert/objectives/ulmfit.py.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from minibert import huggingface
from minibert.layers.base import Layer, describe_cache
from minibert.layers.dropout import Dropout, DropoutCache
from minibert.layers.linear import Linear, LinearCache
from minibert.layers.relu import ReLU, ReLUCache
from minibert.models.heads import SequenceHead, SequenceHeadCache
from minibert.models.labels import named_labels
from minibert.models.recurrent import AWDLSTMConfig, AWDLSTMLanguageModel, DroppedEmbeddingCache


@dataclasses.dataclass(frozen=True)
class ULMFiTConfig(AWDLSTMConfig):
    """The sizes and rates of an AWDLSTMForSequenceClassification.

    Attributes (beside those of AWDLSTMConfig):
        output_dropout_prob: of the pooled vector; nothing else is dropped of what the last layer gives.
        classifier_size: F, of the hidden layer of the head.  classifier_dropout: of what leaves it.
        max_position_embeddings: tokens to which texts are cut. An LSTM has no table of positions: this is a
            choice and not the size of a weight.
        num_labels, id2label, label2id: of the classes; one follows from the other, see models/labels.py.

    Raises:
        ValueError: a size is not a positive integer, a rate is out of range, or the labels contradict each
            other.
    """

    classifier_size: int = 50
    classifier_dropout: float = 0.1
    max_position_embeddings: int = 512
    num_labels: int | None = None
    id2label: dict | None = None
    label2id: dict | None = None

    def __post_init__(self):
        names = named_labels(self.num_labels, self.id2label, self.label2id)
        for field, value in zip(("num_labels", "id2label", "label2id"), names):
            object.__setattr__(self, field, value)
        AWDLSTMConfig.__post_init__(self)
        longest = self.max_position_embeddings
        if not isinstance(longest, (int, np.integer)) or isinstance(longest, bool) or longest < 1:
            raise ValueError(f"max_position_embeddings must be a positive integer, got {longest!r}")
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(
                f"classifier_dropout must be at least 0 and below 1, got {self.classifier_dropout!r}"
            )

    @property
    def pooled_size(self):
        """The size of a pooled vector: the last state, the maximum and the mean."""
        return 3 * self.embedding_size


class ConcatPoolingCache(NamedTuple):
    shares: np.ndarray  # (B, T, 1): 1/(number of tokens) for a token, 0 for padding
    last: np.ndarray  # (B,): the place of the last token
    best: np.ndarray  # (B, E): the place of the maximum in each column
    __repr__ = describe_cache


class ConcatPooling(Layer):
    """y = [last state; maximum; mean], over the tokens and never over padding.

        y_b = [h_b,n−1 ; max_{t<n} h_bt ; (1/n) Σ_{t<n} h_bt]      n tokens, then padding

    Derivation. The last state has its gradient as it is. The maximum of a column is one of the states, and
    that one has the gradient; of equal ones it is the first, as in PyTorch. The mean hands each of the n
    states 1/n of it. A state may have a share in all three, so the gradients are added; padding has none.
    """

    def forward(self, states, attention_mask):
        """states (B, T, E), attention_mask (B, T): 1 for a token, 0 for padding → y (B, 3E), cache."""
        is_token = attention_mask[:, :, np.newaxis] == 1                                # (B, T, 1)
        lengths = is_token.sum(axis=1)                                                  # (B, 1)
        shares = is_token / lengths[:, np.newaxis].astype(states.real.dtype)            # (B, T, 1)
        last = lengths[:, 0] - 1                                                        # (B,)
        best = np.where(is_token, states.real, -np.inf).argmax(axis=1)                  # (B, E)
        last_state = states[np.arange(len(states)), last]                               # (B, E)
        maximum = np.take_along_axis(states, best[:, np.newaxis], axis=1)[:, 0]         # (B, E)
        mean = (states * shares).sum(axis=1)                                            # (B, E)
        y = np.hstack([last_state, maximum, mean])                                      # (B, 3E)
        return y, ConcatPoolingCache(shares, last, best)

    def backward(self, d_y, cache):
        """d_y (B, 3E) → d_states (B, T, E)."""
        d_last_state, d_maximum, d_mean = np.hsplit(d_y, 3)                             # (B, E) each
        d_states = cache.shares * d_mean[:, np.newaxis]                                 # (B, T, E)
        rows, columns = np.arange(len(d_y)), np.arange(d_mean.shape[1])
        d_states[rows, cache.last] += d_last_state                                      # each row once
        d_states[rows[:, np.newaxis], cache.best, columns] += d_maximum                 # each column once
        return d_states


class ULMFiTCache(NamedTuple):
    embedding: DroppedEmbeddingCache
    dropouts: list  # as many as layers: of what enters each
    layers: list  # an LSTMCache a layer
    pooling: ConcatPoolingCache
    pooled_dropout: DropoutCache
    dense: LinearCache
    relu: ReLUCache
    head: SequenceHeadCache
    __repr__ = describe_cache


class AWDLSTMForSequenceClassification(Layer):
    """An AWD-LSTM that gives a text one of K labels: its states, pooled, and two linear layers.

        logits = dropout(relu(dropout([last; max; mean]) W_1 + b_1)) W_2 + b_2     W_1 (3E, F), W_2 (F, K)

    Each text begins with an empty state. The LSTM also runs over the padding behind a text, but nothing reads
    its states there.

    The paper has batch normalization before both linear layers; this model has none. Its running mean and
    variance change in every forward pass that trains: hidden state, which the layers of this library do not
    have, and with which a text's answer in training depends on the other texts of its batch.

    Args:
        config: a ULMFiTConfig.
        seed: of the initial weights.
        dtype: of the parameters, and so of everything that is computed.
    """

    def __init__(self, config, seed=0, dtype=np.float32):
        self.config = config
        language_model = AWDLSTMLanguageModel(config, seed, dtype)  # its decoder is left behind
        self.embedding, self.layers = language_model.embedding, language_model.layers
        self.dropouts = language_model.dropouts[:-1]
        rng = np.random.default_rng([seed, 1])
        self.pooling = ConcatPooling()
        self.pooled_dropout = Dropout(config.output_dropout_prob)
        self.dense = Linear(
            config.pooled_size, config.classifier_size, rng=rng,
            initializer_range=(2 / config.pooled_size) ** 0.5, dtype=dtype)
        self.relu = ReLU()
        self.head = SequenceHead(
            config.classifier_size, config.num_labels, dropout_prob=config.classifier_dropout, rng=rng,
            initializer_range=config.classifier_size**-0.5, dtype=dtype)

    def forward(self, input_ids, attention_mask=None, labels=None, rng=None):
        """Run the model → LabelOutput, cache.

        Args:
            input_ids: (B, T) integers below vocab_size.
            attention_mask: (B, T), 1 for a token and 0 for the padding behind a text; None: no padding.
            labels: (B,) from 0 to K - 1, or -100 for none.
            rng: for dropout; None means no dropout.

        Raises:
            ValueError: a shape or dtype is wrong, an id has no embedding, padding is not behind the text, or
                a text has no token.
        """
        attention_mask = check_mask(input_ids, attention_mask)
        layer_input, embedding_cache = self.embedding.forward(np.asarray(input_ids), rng)   # (B, T, E)
        dropout_caches, layer_caches = [], []
        for dropout, layer in zip(self.dropouts, self.layers):
            dropped_input, dropout_cache = dropout.forward(layer_input, rng)            # (B, T, ·)
            (layer_input, _), layer_cache = layer.forward(dropped_input, None, rng)     # of the next layer
            dropout_caches.append(dropout_cache)
            layer_caches.append(layer_cache)
        pooled, pooling_cache = self.pooling.forward(layer_input, attention_mask)       # (B, 3E)
        dropped_pooled, pooled_dropout_cache = self.pooled_dropout.forward(pooled, rng)  # (B, 3E)
        hidden_sum, dense_cache = self.dense.forward(dropped_pooled)                    # (B, F)
        hidden, relu_cache = self.relu.forward(hidden_sum)                              # (B, F)
        output, head_cache = self.head.forward(hidden, labels, rng)                     # logits (B, K)
        cache = ULMFiTCache(
            embedding=embedding_cache, dropouts=dropout_caches, layers=layer_caches, pooling=pooling_cache,
            pooled_dropout=pooled_dropout_cache, dense=dense_cache, relu=relu_cache, head=head_cache)
        return output, cache

    def backward(self, cache, d_loss=1.0):
        """Go back from d_loss, a number or {"label": number} → d_embedded (B, T, E), as in pretraining."""
        d_hidden = self.head.backward(cache.head, d_loss)                               # (B, F)
        d_hidden_sum = self.relu.backward(d_hidden, cache.relu)                         # (B, F)
        d_dropped_pooled = self.dense.backward(d_hidden_sum, cache.dense)               # (B, 3E)
        d_pooled = self.pooled_dropout.backward(d_dropped_pooled, cache.pooled_dropout)  # (B, 3E)
        d_states = self.pooling.backward(d_pooled, cache.pooling)                       # (B, T, E)
        d_layer_inputs = [None] * len(self.layers) + [d_states]
        for k in reversed(range(len(self.layers))):
            d_dropped_input, _ = self.layers[k].backward((d_layer_inputs[k + 1], None), cache.layers[k])
            d_layer_inputs[k] = self.dropouts[k].backward(d_dropped_input, cache.dropouts[k])  # (B, T, ·)
        d_embedded = d_layer_inputs[0]                                                  # (B, T, E)
        self.embedding.backward(d_embedded, cache.embedding)
        return d_embedded

    config_class = ULMFiTConfig
    save_pretrained, from_pretrained = huggingface.save, classmethod(huggingface.load)


def check_mask(input_ids, attention_mask):
    """Return attention_mask (B, T), of ones if it is None.

    Raises:
        ValueError: the ids are no table of integers, or the mask is not of ones and then zeros.
    """
    input_ids = np.asarray(input_ids)
    if input_ids.dtype.kind not in "iu" or input_ids.ndim != 2 or input_ids.size == 0:
        raise ValueError(
            "input_ids must be integers of shape (batch, tokens), with at least one token, got "
            f"{input_ids.dtype} of shape {input_ids.shape}"
        )
    if attention_mask is None:
        return np.ones(input_ids.shape, np.int64)
    attention_mask = np.asarray(attention_mask)
    if attention_mask.shape != input_ids.shape:
        raise ValueError(f"attention_mask has shape {attention_mask.shape}, expected {input_ids.shape}")
    if not ((attention_mask == 0) | (attention_mask == 1)).all():
        raise ValueError("attention_mask must hold 1 for a token and 0 for padding, and nothing else")
    if not (attention_mask[:, 0] == 1).all() or (attention_mask[:, 1:] > attention_mask[:, :-1]).any():
        raise ValueError(
            "attention_mask must be 1 for the tokens of each text, one at least, and then 0: an LSTM reads "
            "padding that comes before a token"
        )
    return attention_mask
