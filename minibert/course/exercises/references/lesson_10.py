"""References of lesson 10, BERT's forward pass."""

import math

import numpy as np

from minibert.course.exercises.variants import Reference
from minibert.layers import GELU, CrossEntropy, LayerNorm
from minibert.layers.cross_entropy import IGNORE_INDEX


def embedding_sum(ids, types, token_table, position_table, segment_table):
    x = token_table[ids] + position_table[: ids.shape[1]] + segment_table[types]
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)


def draw_embeddings(rng):
    tables = (rng.standard_normal((rows, 6)) for rows in (7, 5, 2))
    return [(rng.integers(0, 7, (3, 4)), rng.integers(0, 2, (3, 4)), *tables)]


def bert_shapes(B, T, H, A, F, V, M):
    return {
        "embeddings": (B, T, H),
        "mask": (B, 1, 1, T),
        "query": (B, A, T, H // A),
        "probs": (B, A, T, T),
        "activated": (B, T, F),
        "pooled": (B, H),
        "transformed": (M, H),
        "prediction_logits": (M, V),
        "seq_relationship_logits": (B, 2),
        "loss": (),
    }


def draw_sizes(rng):
    B, T, A, D, M = rng.permutation(np.arange(3, 11))[:5].tolist()
    wider, words = rng.permutation(np.arange(1, 20))[:2].tolist()
    return {"B": B, "T": T, "H": A * D, "A": A, "F": 2 * A * D + wider, "V": 300 + words, "M": M}


def bert_parameters(V, H, F, num_layers, P):
    norm, square = 2 * H, H * H + H
    block = 4 * square + (H * F + F) + (F * H + H) + 2 * norm
    return (V + P + 2) * H + norm + num_layers * block + square + (square + norm + V) + (2 * H + 2)


def draw_models(rng):
    return [tuple(int(rng.integers(low, 2 * low)) for low in (900, 16, 40, 2, 25)) for _ in range(2)]


def left_padded_positions(attention_mask):
    return (np.cumsum(attention_mask, axis=1) - 1) * attention_mask


def draw_masks(rng):
    mask = np.zeros((4, 7), int)
    for row in mask:
        begin, end = np.sort(rng.choice(8, 2, replace=False))
        row[begin:end] = 1
    return [(mask,)]


def factorised_embedding(ids, table, projection):
    return table[ids] @ projection


def masked_mean(x, attention_mask):
    weights = attention_mask[:, :, np.newaxis]
    return (x * weights).sum(axis=1) / weights.sum(axis=1)


def mlm_loss(states, labels, weight, bias, table, output_bias):
    predicted = labels != IGNORE_INDEX
    activated, _ = GELU().forward(states[predicted] @ weight + bias)
    normalized, _ = LayerNorm(table.shape[1], eps=1e-12, dtype=np.float64).forward(activated)
    logits = normalized @ table.T + output_bias
    return CrossEntropy().forward(logits, labels[predicted])[0]


def draw_states(rng):
    labels = rng.integers(0, 9, (2, 8))
    labels[:, 3:] = IGNORE_INDEX  # M = 6
    shapes = (2, 8, 5), (5, 5), (5,), (9, 5), (9,)
    states, *head = (rng.standard_normal(shape) for shape in shapes)
    return [(states, labels, *head)]


def first_loss(V, B, T, M, few):
    first = math.log(V)
    return {
        "mlm": first,
        "nsp": math.log(2),
        "divided_by_all": M / (B * T) * first,
        "few_words": math.log(few),
    }


def draw_first(rng):
    B, T = rng.permutation(np.arange(5, 20))[:2].tolist()
    V, few = int(rng.integers(20, 80)) * 100, int(rng.integers(21, 90))
    return {"V": V, "B": B, "T": T, "M": B * T // 7, "few": few}


REFERENCES = {
    "embedding_sum": Reference(embedding_sum, draw_embeddings),
    "mlm_loss": Reference(mlm_loss, draw_states),
    "bert_shapes": Reference(
        bert_shapes,
        draw_sizes,
        "B = {B}, T = {T}, H = {H}, A = {A}, F = {F}, V = {V}; `labels` has {M} entries that are not −100",
    ),
    "bert_parameters": Reference(bert_parameters, draw_models),
    "first_loss": Reference(
        first_loss,
        draw_first,
        "V = {V}, B = {B}, T = {T}, M = {M} predicted tokens; with a bias of −10⁹ for all but {few} words",
    ),
    "left_padded_positions": Reference(left_padded_positions, draw_masks),
    "factorised_embedding": Reference(factorised_embedding),
    "masked_mean": Reference(masked_mean),
}
