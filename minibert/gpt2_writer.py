"""GPT-2 that only writes: the logits of GPT2LMHeadModel, with fewer calls and without a record.

The model itself is the form to read, to step through and to train. Attention is written once more here,
because a step reads one token a sequence, and then most of the time goes into calls and copies.
"""

import math
from typing import NamedTuple

import numpy as np

from minibert.layers.attention import MultiHeadAttention
from minibert.layers.softmax import softmax
from minibert.models.gpt import GPT2Block, GPT2LMHeadModel


class GPT2WriterOutput(NamedTuple):
    logits: np.ndarray  # (B, 1, V), of the last token alone
    # Tokens that were read (B,), and written (B,); of each block keys and values (B, 2, A, T_max, D).
    state: tuple


class GPT2Writer:
    """A GPT-2 to give to `minibert.generate`: generate(GPT2Writer(model), input_ids).

    What differs from the model:
    - query, key and value are one product with the three matrices side by side, which are copied here, so
      that a model that learns on needs a new writer;
    - new keys and values are written into arrays with room for all tokens, where the model copies the old
      ones into longer arrays. So a state goes on once; a second call with it is refused;
    - of a prompt only the last token has logits;
    - there is no padding, no dropout, no loss and no way back.

    Args:
        model: a GPT2LMHeadModel, with the blocks and the attention of minibert.

    Raises:
        ValueError: it is another model, or has layers of another class, whose attention is not known here;
            forward is given a state that went on before.
    """

    generates = "continuation"

    def __init__(self, model):
        _check(model, GPT2LMHeadModel)
        for block in model.blocks:
            _check(block, GPT2Block)
            _check(block.attention, MultiHeadAttention)
        self.model, self.config = model, model.config
        self.projections = [_joined(block.attention) for block in model.blocks]

    def forward(self, input_ids, state=None):
        """input_ids (B, T), state of the call that read the tokens before → GPT2WriterOutput, None."""
        batch_size, num_new = input_ids.shape
        num_read, num_written, kept = self._new_state(batch_size) if state is None else state
        if (num_written != num_read).any():
            raise ValueError(
                "this state went on before, and its keys and values are written once: give the state of the "
                "last output, or use the model itself, whose states go on many times"
            )
        if len(num_read) != batch_size:
            raise ValueError(f"the state is of {len(num_read)} sequences, input_ids of {batch_size}")
        start = int(num_read[0])
        x, _ = self.model.embeddings.forward(input_ids, np.arange(start, start + num_new))     # (B, T, H)
        for block, projection, keys_values in zip(self.model.blocks, self.projections, kept):
            normalized, _ = block.attention_norm.forward(x)                     # (B, T, H)
            attended = x + _attention(block.attention, projection, normalized, keys_values, start)
            normalized_attended, _ = block.output_norm.forward(attended)        # (B, T, H)
            feed_forward, _ = block.feed_forward.forward(normalized_attended)   # (B, T, H)
            x = attended + feed_forward                                         # (B, T, H)
        last, _ = self.model.final_norm.forward(x[:, -1:])                      # (B, 1, H)
        logits, _ = self.model.output.forward(last)                             # (B, 1, V)
        num_written += num_new
        return GPT2WriterOutput(logits, (num_read + num_new, num_written, kept)), None

    def _new_state(self, batch_size):
        """Return the state before the first token: room for keys and values."""
        config, dtype = self.config, self.model.output.weight.value.dtype
        head_size = config.hidden_size // config.num_attention_heads
        room = batch_size, 2, config.num_attention_heads, config.max_position_embeddings, head_size
        kept = tuple(np.empty(room, dtype) for _ in self.projections)
        return np.zeros(batch_size, int), np.zeros(batch_size, int), kept


def _attention(layer, projection, x, keys_values, start):
    """MultiHeadAttention's output (B, T, H) for new x (B, T, H); their keys and values are kept."""
    (batch_size, num_new, hidden_size), (weight, bias) = x.shape, projection
    end = start + num_new
    rows = x.reshape(-1, hidden_size) @ weight + bias                           # (B·T, 3H)
    split = rows.reshape(batch_size, num_new, 3, layer.num_heads, -1)           # (B, T, 3, A, D)
    heads = split.transpose(0, 2, 3, 1, 4)                                      # (B, 3, A, T, D)
    keys_values[:, :, :, start:end] = heads[:, 1:]
    query_heads = heads[:, 0]                                                   # (B, A, T, D)
    key_heads = keys_values[:, 0, :, :end]                                      # (B, A, T_key, D)
    value_heads = keys_values[:, 1, :, :end]                                    # (B, A, T_key, D)
    scores = (query_heads @ key_heads.swapaxes(-1, -2)) * (1 / math.sqrt(query_heads.shape[-1]))
    if num_new > 1:
        may_look = np.tri(num_new, end, start, dtype=bool)              # (T, T_key): itself and before
        scores = np.where(may_look, scores, np.finfo(scores.dtype).min)         # (B, A, T, T_key)
    weighted_value = softmax(scores) @ value_heads                              # (B, A, T, D)
    joined_value = weighted_value.transpose(0, 2, 1, 3).reshape(x.shape)        # (B, T, H)
    output, _ = layer.output.forward(joined_value)                              # (B, T, H)
    return output


def _joined(attention):
    """Return the weights (H, 3H) and biases (3H,) of query, key and value side by side."""
    projections = attention.query, attention.key, attention.value
    weight = np.concatenate([projection.weight.value for projection in projections], axis=1)
    bias = np.concatenate([projection.bias.value for projection in projections])
    return weight, bias


def _check(layer, expected):
    """Raise ValueError for a layer of another class, such as one of a reader's own."""
    if type(layer) is not expected:
        raise ValueError(
            f"GPT2Writer computes as {expected.__name__} does, got {type(layer).__name__}: give generate the "
            "model itself"
        )
