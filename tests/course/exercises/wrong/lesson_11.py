"""Wrong answers to the exercises of lesson 11, as students might give them who read the task only."""

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward

from minibert.course.exercises.lesson_11 import gated_backward, gated_forward, small_bert


def joints(wrong):
    """The backward of six_joints with one wrong joint."""

    def six_joints(d_loss, cache):
        (ids, types, predicted, token, position, segment, query, key, pair, x, q, k, probs, states, rows) = (
            cache[:15]
        )
        d_logits, d_pair_logits = d_loss * cache[15], d_loss * cache[16]
        d_rows, d_first = d_logits @ token, d_pair_logits @ pair.T
        d_states = np.zeros(states.shape)
        places = np.isin(np.arange(12), predicted) if wrong == "places in rising order" else predicted
        d_states.reshape(-1, x.shape[-1])[places] = d_rows
        d_states[:, 0] = d_first if wrong == "the pooler overwrites" else d_states[:, 0] + d_first
        d_probs = d_states @ x.swapaxes(1, 2)
        d_scores = probs * (d_probs - (probs * d_probs).sum(axis=-1, keepdims=True))
        d_q, d_k = d_scores @ k, d_scores.swapaxes(1, 2) @ q
        sent = probs if wrong == "no .T for the values" else probs.swapaxes(1, 2)
        d_x = d_states + sent @ d_states
        d_x = d_x + d_q @ query.T + (0 if wrong == "no way through the keys" else d_k @ key.T)
        d_token = d_logits.T @ rows
        if wrong == "+= in the table":
            d_token[ids] += d_x
        elif wrong != "the decoder only":
            np.add.at(d_token, ids, d_x)
        d_position = np.zeros(position.shape)
        d_position[:4] = d_x.mean(axis=0) if wrong == "a mean over the batch" else d_x.sum(axis=0)
        d_segment = np.zeros(segment.shape)
        np.add.at(d_segment, types[:1] if wrong == "segments of one sentence" else types, _of(wrong, d_x))
        d_query, d_key = ((x.reshape(12, -1).T @ d.reshape(12, -1)) for d in (d_q, d_k))
        d_pair = states[:, 0].T @ d_pair_logits
        return *[None] * 5, d_token, d_position, d_segment, d_query, d_key, d_pair

    return small_bert, six_joints


def _of(wrong, d_x):
    return d_x[:1] if wrong == "segments of one sentence" else d_x


def gated(d_y, x, weight, gate, skip=1.0, square=2, through=None):
    hidden = np.tanh(x @ weight)
    d_product = d_y * gate * (1 - hidden**square)
    d_x = skip * d_y + d_product @ (weight if through == "no .T" else weight.T)
    d_weight = x.reshape(-1, 5).T @ d_product.reshape(-1, 5)
    return [d_x, d_weight, (d_y * hidden).sum(axis=(0, 1))]


def gate_from_d_x(d_y, g, x, weight, gate):
    """The bug, with a copy that does not change d_y."""
    return [g[0], g[1], (g[0] * np.tanh(x @ weight)).sum(axis=(0, 1))]


ZEROS = solution("zero_or_not")[0]


def tied(ids, predicted, table, projection, dense, act=np.tanh):
    states = act(table[ids] @ projection).reshape(-1, projection.shape[1])
    return states[predicted] @ dense @ table.T


def lookup_only(d_y, g, ids, predicted, table, projection, dense):
    states = np.tanh(table[ids] @ projection).reshape(-1, projection.shape[1])[predicted]
    return [None, None, g[2] - d_y.T @ (states @ dense), g[3], g[4]]


def decoder_only(d_y, g, ids, predicted, table, projection, dense):
    states = np.tanh(table[ids] @ projection).reshape(-1, projection.shape[1])[predicted]
    return [None, None, d_y.T @ (states @ dense), g[3], g[4]]


def stacked(x, weight, bias, num_layers):
    for _ in range(num_layers):
        x = x + np.tanh(x) @ weight + bias
    return x


def four_layers(x, weight, bias, num_layers):
    for _ in range(4):
        x = x + np.tanh(x @ weight + bias)
    return x


def last_layer_only(d_y, g, x, weight, bias):
    for _ in range(3):
        x = x + np.tanh(x @ weight + bias)
    d_product = d_y * (1 - np.tanh(x @ weight + bias) ** 2)
    return [g[0], x.reshape(-1, 5).T @ d_product.reshape(-1, 5), d_product.sum(axis=(0, 1))]


WRONG = {
    "six_joints": {
        wrong: joints(wrong)
        for wrong in (
            "the pooler overwrites",
            "places in rising order",
            "no .T for the values",
            "no way through the keys",
            "+= in the table",
            "the decoder only",
            "a mean over the batch",
            "segments of one sentence",
        )
    },
    "planted_bug": {
        "as handed in": (gated_forward, gated_backward),
        "from a copy": backward("planted_bug", gate_from_d_x),
        "no skip path": backward("planted_bug", lambda d_y, g, *inputs: gated(d_y, *inputs, skip=0.0)),
        "no .T": backward("planted_bug", lambda d_y, g, *inputs: gated(d_y, *inputs, through="no .T")),
        "1 - tanh": backward("planted_bug", lambda d_y, g, *inputs: gated(d_y, *inputs, square=1)),
    },
    "zero_or_not": {
        "all zero": (dict.fromkeys(ZEROS, "zero"),),
        "none zero": (dict.fromkeys(ZEROS, "not zero"),),
        "[PAD] learns nothing": (ZEROS | {"token_row_pad": "zero"},),
        "key biases learn": (ZEROS | {"key_bias": "not zero"},),
        "five wrong": (ZEROS | dict.fromkeys(list(ZEROS)[:5], "zero"),),
    },
    "albert_tied_decoder": {
        "the lookup's share only": backward("albert_tied_decoder", lookup_only),
        "the decoder's share only": backward("albert_tied_decoder", decoder_only),
        "d_dense without a predicted row": backward(
            "albert_tied_decoder", lambda d_y, g, *inputs: [*g[:4], g[4] * 0.75]
        ),
        "half of the table": backward(
            "albert_tied_decoder", lambda d_y, g, *inputs: [*g[:2], g[2] / 2, *g[3:]]
        ),
        "all rows predicted": forward(
            lambda ids, predicted, *weights: tied(ids, np.arange(len(predicted)), *weights)
        ),
        "predicted in rising order": forward(
            lambda ids, predicted, *weights: tied(ids, np.sort(predicted), *weights)
        ),
        "a mask of the predicted": forward(
            lambda ids, predicted, *weights: tied(ids, np.isin(np.arange(ids.size), predicted), *weights)
        ),
        "sigmoid": forward(lambda *inputs: tied(*inputs, act=lambda z: 1 / (1 + np.exp(-z)))),
    },
    "shared_stack": {
        "the last layer's share": backward("shared_stack", last_layer_only),
        "divided by the layers": backward("shared_stack", lambda d_y, g, *inputs: [g[0], g[1] / 4, g[2] / 4]),
        "times the layers": backward("shared_stack", lambda d_y, g, *inputs: [g[0], g[1] * 4, g[2]]),
        "no skip on the way back": backward("shared_stack", lambda d_y, g, *inputs: [g[0] - d_y, g[1], g[2]]),
        "tanh before the weight": forward(stacked),
        "four layers, whatever num_layers": forward(four_layers),
    },
}
