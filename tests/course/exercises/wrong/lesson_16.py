"""Wrong answers to the exercises of lesson 16, as students might give them who read the task only."""

import json
import re
import struct

import numpy as np
from course.exercises.solutions import solution
from course.exercises.wrong.answers import backward, forward


def tensor(data, name, wrong):
    (length,) = struct.unpack(
        "<I" if wrong == "four bytes of length" else "<Q", data[: 4 if "four" in wrong else 8]
    )
    start = (4 if "four" in wrong else 8) + length
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    entry = header[name]
    begin, end = entry["data_offsets"]
    if wrong == "all from the first tensor":
        begin, end = 0, end - begin
    if wrong in ("in the header's order", "in the order of the names"):
        names = list(header) if wrong == "in the header's order" else sorted(header)
        sizes = [end - begin for begin, end in (header[other]["data_offsets"] for other in names)]
        begin, end = (sum(sizes[: names.index(name) + k]) for k in (0, 1))
    content = data[start + begin : start + end]
    if entry["dtype"] == "F32":
        numbers = np.frombuffer(content, "<f4")
    elif wrong == "bfloat16 by value":
        numbers = np.frombuffer(content, "<u2").astype(np.float32) / 65536
    else:
        shift = 8 if wrong == "shifted by 8" else 16
        numbers = (np.frombuffer(content, "<u2").astype(np.uint32) << shift).view(np.float32)
    numbers = numbers[::-1] if wrong == "backwards" else numbers
    numbers = numbers.astype(float) if wrong == "float64" else numbers
    numbers = numbers.reshape(entry["shape"])
    return numbers.tolist() if wrong == "a list" else numbers


def wrong_tensor(wrong):
    return (lambda data, name: tensor(data, name, wrong),)


def named(wrong):
    right = solution("our_name")[0]

    def our_name(theirs):
        ours = right(theirs)
        if wrong == "layers from 1":
            parts = ours.split(".")
            return ".".join(str(int(part) + 1) if part.isdigit() else part for part in parts)
        if wrong == "last digit of the layer":
            return ours.replace("encoder.11", "encoder.1")
        if wrong == "positions stay":
            return ours.replace(".position.", ".position_embeddings.")
        if wrong == "query only":
            return ours.replace(".key", ".self.key").replace(".value", ".self.value")
        if wrong == "one digit before the feed-forward part":
            return re.sub(r"(\d\d)\.feed_forward\.output", r"\1.output.dense", ours)
        if wrong == "attention.self stays":
            return ours.replace(".attention.query", ".attention.self.query")
        return ours.replace("attention_norm", "attention.norm")

    return (our_name,)


def quantised(weight, wrong):
    largest = np.abs(weight).max(axis=1)
    if wrong == "the range of a row":
        largest = np.ptp(weight, axis=1) / 2
    if wrong == "scales of 1e-8":
        largest = largest + 127e-8 * (largest == 0)
    none = np.isclose(largest, 0) if wrong == "a small row is a row of zeros" else largest == 0
    scale = (np.where(none, 127, largest) / 127).astype(np.float32)
    whole = weight / scale[:, np.newaxis]
    whole = np.floor(whole) if wrong == "floor" else np.round(whole)
    whole = np.clip(whole, -128, 127).astype(np.int8)
    scale = scale.astype(np.float64) if wrong == "scales of 8 bytes" else scale
    num_bytes = whole.nbytes + scale.nbytes
    return whole.astype(np.float32) if wrong == "whole numbers as float32" else whole, scale, num_bytes


def wrong_quantised(wrong):
    return (lambda weight: quantised(weight, wrong),)


LOADED = solution("silent_loading")[0]


def unit(x):
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True))


def mean(states, mask):
    return (states * mask[..., np.newaxis]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def up_to_the_last(states, mask):
    ends = [np.flatnonzero(row)[-1] + 1 for row in mask]
    return unit(np.array([x[:end].mean(axis=0) for x, end in zip(states, ends)]))


def without_projection(d_y, g, states, mask):
    length = np.sqrt((mean(states, mask) ** 2).sum(axis=-1, keepdims=True))
    return [(d_y / length)[:, np.newaxis] * (mask / mask.sum(axis=1, keepdims=True))[..., np.newaxis], None]


def ranking(first, second, temperature, wrong="", less=None):
    scores = first @ second.T / temperature
    if wrong == "squared distances":
        scores = -((first[:, np.newaxis] - second) ** 2).sum(axis=-1) / temperature
    if wrong == "temperature squared":
        scores = scores / temperature
    scores = scores if less is None else scores - less(scores)
    probs = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return -np.log(np.diag(probs)).mean()


def shifted(less):
    return forward(lambda *inputs, temperature: ranking(*inputs, temperature, less=less))


PARTS = solution("parts_of_bert")[0]

WRONG = {
    "parts_of_bert": {
        "tokens only": (PARTS | {"embeddings": 30522 * 384},),
        "norm with the embeddings": (PARTS | {"embeddings": PARTS["embeddings"] + 768},),
        "no output projection": (PARTS | {"attention": 6 * 3 * (384 * 384 + 384)},),
        "no biases": (PARTS | {"attention": 6 * 4 * 384 * 384, "feed_forward": 12 * 384 * 1536},),
        "one layer": (PARTS | {"feed_forward": PARTS["feed_forward"] // 6},),
        "one bias of H": (PARTS | {"feed_forward": 6 * (2 * 384 * 1536 + 2 * 384)},),
        "one norm a layer": (PARTS | {"norms": 7 * 768},),
        "a pooler of two": (PARTS | {"pooler": 384 * 2 + 2},),
    },
    "tensor_from_bytes": {
        wrong: wrong_tensor(wrong)
        for wrong in (
            "all from the first tensor",
            "bfloat16 by value",
            "shifted by 8",
            "backwards",
            "in the header's order",
            "in the order of the names",
            "float64",
            "a list",
        )
    },
    "our_name": {
        wrong: named(wrong)
        for wrong in (
            "layers from 1",
            "last digit of the layer",
            "attention.self stays",
            "attention.norm",
            "positions stay",
            "query only",
            "one digit before the feed-forward part",
        )
    },
    "silent_loading": {
        "all errors": (dict.fromkeys(LOADED, "error"),),
        "all wrong": (dict.fromkeys(LOADED, "wrong"),),
        "a square matrix is right": (LOADED | {"attention.self.query.weight": "right"},),
        "6 heads do not fit": (LOADED | {"heads 6": "error"},),
    },
    "int8_rows": {
        wrong: wrong_quantised(wrong)
        for wrong in (
            "the range of a row",
            "scales of 1e-8",
            "floor",
            "scales of 8 bytes",
            "a small row is a row of zeros",
            "whole numbers as float32",
        )
    },
    "sentence_vector": {
        "the length is a constant": backward("sentence_vector", without_projection),
        "the padding moves, too": backward(
            "sentence_vector", lambda d_y, g, states, mask: [g[0] + (1 - mask)[..., np.newaxis] * 0.1, None]
        ),
        "divided by T": backward(
            "sentence_vector", lambda d_y, g, states, mask: [g[0] * mask.sum(axis=1)[:, None, None] / 5, None]
        ),
        "not divided by the length": backward(
            "sentence_vector",
            lambda d_y, g, states, mask: [
                g[0] * np.sqrt((mean(states, mask) ** 2).sum(axis=-1))[:, None, None],
                None,
            ],
        ),
        "sum of sizes": forward(
            lambda states, mask: mean(states, mask) / np.abs(mean(states, mask)).sum(axis=-1, keepdims=True)
        ),
        "the first tokens": forward(
            lambda states, mask: unit(np.array([x[: row.sum()].mean(axis=0) for x, row in zip(states, mask)]))
        ),
        "up to the last token": forward(up_to_the_last),
        "[CLS] left out": forward(lambda states, mask: unit(mean(states[:, 1:], mask[:, 1:]))),
    },
    "ranking_loss": {
        "the partner's share only": backward("ranking_loss", lambda d_y, g, a, b: [-d_y * b / 0.7 / 5, g[1]]),
        "no temperature": backward("ranking_loss", lambda d_y, g, a, b: [0.7 * g[0], 0.7 * g[1]]),
        "not divided by B": backward("ranking_loss", lambda d_y, g, a, b: [5 * g[0], 5 * g[1]]),
        "both alike": backward("ranking_loss", lambda d_y, g, a, b: [g[0], g[0]]),
        "squared distances": forward(
            lambda *inputs, temperature: ranking(*inputs, temperature, "squared distances")
        ),
        "temperature squared": forward(
            lambda *inputs, temperature: ranking(*inputs, temperature, "temperature squared")
        ),
        "exp without the maximum": forward(ranking),
        "one maximum for all": shifted(np.max),
        "the maximum of each column": shifted(lambda scores: scores.max(axis=0)[:, np.newaxis]),
        "the mean subtracted": shifted(lambda scores: scores.mean(axis=1, keepdims=True)),
    },
}
