"""Wrong answers to the exercises of lesson 10, as students might give them who read the task only."""

import math

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def normalised(x, eps=1e-12, axis=-1):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + eps)


def sum_of_norms(ids, types, token, position, segment):
    return normalised(token[ids]) + normalised(position[: ids.shape[1]]) + normalised(segment[types])


def sum_over_all(ids, types, token, position, segment):
    return normalised(token[ids] + position[: ids.shape[1]] + segment[types], axis=(0, 1, 2))


def sum_divided_by_variance(ids, types, token, position, segment):
    x = token[ids] + position[: ids.shape[1]] + segment[types]
    return (x - x.mean(axis=-1, keepdims=True)) / (x.var(axis=-1, keepdims=True) + 1e-12)


def sum_without_segments(ids, types, token, position, segment):
    return normalised(token[ids] + position[: ids.shape[1]] + segment[0])


def sum_of_segment_positions(ids, types, token, position, segment):
    """Positions that begin again with the second sentence."""
    places = np.arange(ids.shape[1]) - np.where(types == 1, (types == 0).sum(axis=1, keepdims=True), 0)
    return normalised(token[ids] + position[places] + segment[types])


def parameters(V, H, F, num_layers, P, heads=1, square=4, shared=False):
    block = square * (H * H + H) + 2 * H * F + F + H + 4 * H
    layers = 1 if shared else num_layers
    return (V + P + 2) * H + 2 * H + layers * block + 2 * (H * H + H) + 2 * H + V + 2 * H + 2


def left_by_flip(attention_mask):
    """Counts from the right."""
    return np.where(attention_mask, attention_mask[:, ::-1].cumsum(axis=1)[:, ::-1] - 1, 0)


def left_by_first(attention_mask):
    """Distance from the first real token, also behind the last."""
    return np.maximum(np.arange(attention_mask.shape[1]) - attention_mask.argmax(axis=1)[:, np.newaxis], 0)


def left_by_row_length(attention_mask):
    """Distance from the number of [PAD], as if all were on the left."""
    num_padding = (attention_mask == 0).sum(axis=1, keepdims=True)
    return np.where(attention_mask, np.arange(attention_mask.shape[1]) - num_padding, 0)


def left_of_floats(attention_mask):
    """Positions of the real tokens as shares of the length."""
    counted = attention_mask.cumsum(axis=1)
    return counted / np.maximum(counted[:, -1:], 1) * attention_mask


SHAPES = solution("bert_shapes")[0]

def head(states, labels, weight, bias, table, output_bias, act=None, eps=1e-12, last=True, axis=-1):
    rows, words = states[labels != -100], labels[labels != -100]
    rows = (act or right_gelu)(rows @ weight + bias)
    logits = normalised(rows, eps, axis) @ table.T + output_bias * last
    log_probs = logits - np.logaddexp.reduce(logits, axis=1)[:, np.newaxis]
    return -log_probs[np.arange(len(words)), words].mean()


def right_gelu(x):
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def head_of_sentences(states, labels, *others):
    """The mean of the sentences' means."""
    return np.mean([head(states[b : b + 1], labels[b : b + 1], *others) for b in range(len(labels))])


def head_without_the_maximum(states, labels, weight, bias, table, output_bias):
    rows, words = states[labels != -100], labels[labels != -100]
    exponentials = np.exp(normalised(right_gelu(rows @ weight + bias)) @ table.T + output_bias)
    return -np.log(exponentials[np.arange(len(words)), words] / exponentials.sum(axis=1)).mean()


def head_with_ignored_words(states, labels, *others):
    """-100 as a place counted from the end of the row of words: the loss of every position."""
    return head(states, np.maximum(labels, 0), *others)


def head_with_logs(states, labels, weight, bias, table, output_bias, less=np.max, safe=lambda p: p):
    """The logarithm is taken of a probability, which may be 0."""
    rows, words = states[labels != -100], labels[labels != -100]
    logits = normalised(right_gelu(rows @ weight + bias)) @ table.T + output_bias
    exponentials = np.exp(logits - less(logits, axis=1, keepdims=True))
    probs = exponentials[np.arange(len(words)), words] / exponentials.sum(axis=1)
    return -np.log(safe(probs)).mean()


def head_less(number):
    """Another number than the largest of the row is subtracted before exp."""

    def wrong(states, labels, weight, bias, table, output_bias):
        rows, words = states[labels != -100], labels[labels != -100]
        logits = normalised(right_gelu(rows @ weight + bias)) @ table.T + output_bias
        logits = logits - number(logits)
        return (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(words)), words]).mean()

    return (wrong,)


def head_that_changes_labels(states, labels, *others):
    loss = head(states, labels, *others)
    labels[labels == -100] = 0
    return loss


def summed(ids, types, token_table, position_table, segment_table):
    return token_table[ids] + position_table[: ids.shape[1]] + segment_table[types]


def sum_outside_the_root(*arguments):
    x = summed(*arguments)
    return (x - x.mean(axis=-1, keepdims=True)) / (x.std(axis=-1, keepdims=True) + 1e-12)


def sum_that_changes_the_table(ids, types, token_table, position_table, segment_table):
    places = position_table[: ids.shape[1]]
    places -= 0.5
    return normalised(token_table[ids] + places + segment_table[types] + 0.5)


def left_or_right(attention_mask):
    """A row that begins with padding has all of it there."""
    T = attention_mask.shape[1]
    padding = (T - attention_mask.sum(axis=1, keepdims=True)) * (attention_mask[:, :1] == 0)
    return (np.arange(T) - padding) * attention_mask


def left_into_the_mask(attention_mask):
    attention_mask *= np.cumsum(attention_mask, axis=1) - 1
    return attention_mask


FIRST = solution("first_loss")[0]

WRONG = {
    "mlm_loss": {
        "tanh for gelu": (lambda *arguments: head(*arguments, act=np.tanh),),
        "relu for gelu": (lambda *arguments: head(*arguments, act=lambda x: np.maximum(x, 0)),),
        "no output bias": (lambda *arguments: head(*arguments, last=False),),
        "gelu after the norm": (
            lambda *arguments: head(*arguments, act=lambda x: right_gelu(normalised(x))),
        ),
        "eps is 1e-2": (lambda *arguments: head(*arguments, eps=1e-2),),
        "normalised over the words": (lambda *arguments: head(*arguments, axis=0),),
        "the mean of the sentences": (head_of_sentences,),
        "exp without the maximum": (head_without_the_maximum,),
        "the logarithm of 0": (head_with_logs,),
        "the logarithm of at least 1e-12": (
            lambda *arguments: head_with_logs(*arguments, safe=lambda p: np.maximum(p, 1e-12)),
        ),
        "1e-12 added to p": (lambda *arguments: head_with_logs(*arguments, safe=lambda p: p + 1e-12),),
        "the maximum of everything": head_less(np.max),
        "the mean subtracted": head_less(lambda logits: logits.mean(axis=1, keepdims=True)),
        "the labels are changed": (head_that_changes_labels,),
        "-100 is word 0": (head_with_ignored_words,),
        "the sum": (lambda *arguments: 4 * head(*arguments),),
    },
    "first_loss": {
        "bits": ({name: loss / np.log(2) for name, loss in FIRST.items()},),
        "probabilities": ({name: np.exp(-loss) for name, loss in FIRST.items()},),
        "one half": (FIRST | {"nsp": 0.5},),
        "M words": (FIRST | {"mlm": np.log(24)},),
        "divided by T": (FIRST | {"divided_by_all": FIRST["mlm"] * 24 / 40},),
        "divided by M and B·T": (FIRST | {"divided_by_all": FIRST["mlm"] / 160},),
        "all but the few": (FIRST | {"few_words": np.log(2970)},),
        "a share of the words": (FIRST | {"few_words": FIRST["mlm"] * 30 / 3000},),
    },
    "embedding_sum": {
        "each table normalised": (sum_of_norms,),
        "one mean for all": (sum_over_all,),
        "divided by the variance": (sum_divided_by_variance,),
        "one segment": (sum_without_segments,),
        "positions begin again": (sum_of_segment_positions,),
        "no eps": (lambda *arguments: normalised(summed(*arguments), 0),),
        "eps is 1e-6": (lambda *arguments: normalised(summed(*arguments), 1e-6),),
        "eps outside the root": (sum_outside_the_root,),
        "the mean of the three": (lambda *arguments: normalised(summed(*arguments) / 3),),
        "the table is changed": (sum_that_changes_the_table,),
    },
    "bert_shapes": {
        "the heads side by side": (SHAPES | {"query": (3, 7, 24)},),
        "logits of every token": (SHAPES | {"prediction_logits": (3, 7, 50)},),
        "two sentences": (SHAPES | {"seq_relationship_logits": (2, 3)},),
        "the mask of all heads": (SHAPES | {"mask": (3, 4, 1, 7)},),
    },
    "bert_parameters": {
        "three projections": (lambda *sizes: parameters(*sizes, square=3),),
        "layers shared": (lambda *sizes: parameters(*sizes, shared=True),),
        "one bias too many": (lambda *sizes: parameters(*sizes) + sizes[1],),
        "no segments": (lambda *sizes: parameters(*sizes) - 2 * sizes[1],),
    },
    "left_padded_positions": {
        "from the right": (left_by_flip,),
        "goes on behind the end": (left_by_first,),
        "all padding is on the left": (left_by_row_length,),
        "shares": (left_of_floats,),
        "padding on one side": (left_or_right,),
        "floats": (lambda mask: (np.cumsum(mask, axis=1) - 1.0) * mask,),
        "the mask is changed": (left_into_the_mask,),
    },
    "factorised_embedding": {
        "+= with repeated ids": backward(
            "factorised_embedding", lambda d_y, g, ids, table, p: [None, _assigned(d_y, ids, table, p), g[2]]
        ),
        "d_projection of one sentence": backward(
            "factorised_embedding", lambda d_y, g, ids, table, p: [None, g[1], table[ids[0]].T @ d_y[0]]
        ),
        "the mean over uses": backward(
            "factorised_embedding",
            lambda d_y, g, ids, table, p: [
                None,
                g[1] / np.maximum(np.bincount(ids.reshape(-1), minlength=len(table)), 1)[:, np.newaxis],
                g[2],
            ],
        ),
        "no rows behind the largest id": backward(
            "factorised_embedding", lambda d_y, g, ids, table, p: [None, g[1][: ids.max() + 1], g[2]]
        ),
        "every row of the table": backward(
            "factorised_embedding", lambda d_y, g, ids, table, p: [None, g[1] + 0.1, g[2]]
        ),
        "a tanh between": forward(lambda ids, table, p: np.tanh(table[ids]) @ p),
    },
    "masked_mean": {
        "the padding moves, too": backward(
            "masked_mean", lambda d_y, g, x, m: [np.repeat(d_y[:, np.newaxis], 6, axis=1) / 6, None]
        ),
        "not divided": backward(
            "masked_mean", lambda d_y, g, x, m: [g[0] * m.sum(axis=1)[:, None, None], None]
        ),
        "divided by T": backward(
            "masked_mean", lambda d_y, g, x, m: [g[0] * m.sum(axis=1)[:, None, None] / 6, None]
        ),
        "one count for all": backward(
            "masked_mean", lambda d_y, g, x, m: [m[..., None] * d_y[:, None] / m.sum(), None]
        ),
        "numbers that are not 0 counted": forward(
            lambda x, m: (x * m[..., None]).sum(axis=1) / (x * m[..., None] != 0).sum(axis=1)
        ),
        "up to the last real token": forward(
            lambda x, m: np.stack([row[: mask.sum()].mean(axis=0) for row, mask in zip(x, m)])
        ),
    },
}


def _assigned(d_y, ids, table, projection):
    d_table = np.zeros(table.shape)
    d_table[ids] += d_y @ projection.T
    return d_table
