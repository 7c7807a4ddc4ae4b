"""Right answers to the exercises of lesson 10 in other styles than the solution's."""

import numpy as np
from course.exercises.solutions import solution


def embedded_in_loops(ids, types, token_table, position_table, segment_table):
    y = np.zeros((*ids.shape, token_table.shape[1]))
    for b, t in np.ndindex(ids.shape):
        row = token_table[ids[b, t]] + position_table[t] + segment_table[types[b, t]]
        y[b, t] = (row - row.mean()) / np.sqrt(row.var() + 1e-12)
    return y


def embedded_in_place(ids, types, token_table, position_table, segment_table):
    x = token_table[ids]
    x += position_table[None, : ids.shape[1]]
    x += segment_table[types]
    x -= x.mean(axis=-1, keepdims=True)
    x /= np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-12)
    return x


def embedded_by_onehot(words, sentences, W, P, S):
    places = np.arange(words.shape[1])
    x = np.eye(len(W))[words] @ W + np.eye(len(P))[places] @ P + np.eye(2)[sentences] @ S
    mean, std = np.mean(x, -1), np.std(x, -1)
    return (x - mean[..., None]) / std[..., None]


def linear(inputs, outputs):
    return inputs * outputs + outputs


def parameters_by_layers(V, H, F, num_layers, P):
    norm = 2 * H
    block = 4 * linear(H, H) + norm + linear(H, F) + linear(F, H) + norm
    mlm_head = linear(H, H) + norm + V
    return (V + P + 2) * H + norm + num_layers * block + linear(H, H) + mlm_head + linear(H, 2)


def parameters_of_shapes(V, H, F, num_layers, P):
    shapes = [(V, H), (P, H), (2, H), (H,), (H,), (H, H), (H,), (H, H), (H,), (H,), (H,), (V,), (H, 2), (2,)]
    block = [(H, H), (H,)] * 4 + [(H,)] * 4 + [(H, F), (F,), (F, H), (H,)]
    return sum(int(np.prod(shape)) for shape in shapes + block * num_layers)


def parameters_as_a_float(vocabulary, hidden, inner, layers, places):
    outside = hidden * (vocabulary + places + 2) + 2 * hidden**2 + 8 * hidden + vocabulary + 2
    return float(outside + layers * (4 * hidden**2 + 2 * hidden * inner + 9 * hidden + inner))


def positions_in_loops(attention_mask):
    ids = []
    for row in attention_mask:
        count, line = 0, []
        for real in row:
            line.append(count if real else 0)
            count += int(real)
        ids.append(line)
    return ids


def positions_by_matrix(attention_mask):
    before = np.triu(np.ones((attention_mask.shape[1],) * 2, int), k=1)
    return (attention_mask @ before) * attention_mask


def positions_in_place(mask):
    ids = np.cumsum(mask, axis=-1) - 1
    ids[mask == 0] = 0
    return ids


SHAPES = solution("bert_shapes")[0]

RIGHT = {
    "embedding_sum": [embedded_in_loops, embedded_in_place, embedded_by_onehot],
    "bert_shapes": [
        dict(reversed(SHAPES.items())),
        {name: list(shape) for name, shape in SHAPES.items()},
        {name: np.zeros(shape).shape for name, shape in SHAPES.items()},
    ],
    "bert_parameters": [parameters_by_layers, parameters_of_shapes, parameters_as_a_float],
    "left_padded_positions": [positions_in_loops, positions_by_matrix, positions_in_place],
}
