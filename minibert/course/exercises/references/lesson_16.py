"""References of lesson 16, a real BERT."""

import json
import struct

import numpy as np

from minibert.course.exercises.lesson_16 import REPLACEMENTS, safetensors_file
from minibert.course.exercises.variants import Reference


def tensor_from_bytes(data, name):
    start = 8 + struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:start])[name]
    content = data[slice(*(start + offset for offset in entry["data_offsets"]))]
    if entry["dtype"] == "F32":
        return np.frombuffer(content, "<f4").reshape(entry["shape"])
    halves = np.frombuffer(content, "<u2").astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(entry["shape"])


def draw_files(rng):
    narrow, wide = rng.standard_normal((3, 4)).astype("<f4"), rng.standard_normal((5, 2)).astype("<f4")
    halves = (narrow.view("<u4") >> 16).astype("<u2")
    data = safetensors_file(("n", "BF16", [3, 4], halves.tobytes()), ("w", "F32", [5, 2], wide.tobytes()))
    return [(data, "w"), (data, "n")]


def our_name(theirs):
    for old, new in REPLACEMENTS:
        theirs = theirs.replace(old, new)
    return theirs


def draw_names(rng):
    parts = ("attention.self.value.bias", "output.dense.bias", "output.LayerNorm.bias")
    return [(f"encoder.layer.{rng.integers(1, 24)}.{part}",) for part in parts]


def int8_rows(weight):
    largest = np.abs(weight).max(axis=1)
    scale = np.where(largest == 0, 1, largest / 127).astype(np.float32)
    quantised = np.round(weight / scale[:, np.newaxis]).astype(np.int8)
    return quantised, scale, quantised.nbytes + scale.nbytes


def draw_weights(rng):
    """Whole numbers times a scale, so that no entry is halfway between two, where roundings differ."""
    whole = rng.integers(-126, 127, (4, 6))
    whole[np.arange(4), rng.integers(0, 6, 4)] = 127 * rng.choice([-1, 1], 4)
    return [((whole + rng.uniform(-0.3, 0.3, (4, 6)) * (abs(whole) < 127)).astype(np.float32) / 100,)]


def sentence_vector(states, attention_mask):
    weights = attention_mask[:, :, np.newaxis]
    mean = (states * weights).sum(axis=1) / weights.sum(axis=1)
    return mean / np.sqrt((mean * mean).sum(axis=-1, keepdims=True))


def ranking_loss(first, second, temperature):
    scores = first @ second.T / temperature
    return (np.log(np.exp(scores).sum(axis=1)) - np.diag(scores)).mean()


def parts_of_bert(V, H, F, layers, P):
    return {
        "embeddings": (V + P + 2) * H,
        "attention": layers * 4 * (H * H + H),
        "feed_forward": layers * (2 * H * F + F + H),
        "norms": (2 * layers + 1) * 2 * H,
        "pooler": H * H + H,
    }


def draw_configuration(rng):
    V, P = int(rng.integers(200, 400)) * 100, int(rng.choice([128, 256, 1024]))
    H, F, layers = 64 * rng.permutation(np.arange(3, 13))[:3]
    return {"V": V, "H": int(H), "F": int(F), "layers": int(layers) // 64, "P": P}


REFERENCES = {
    "tensor_from_bytes": Reference(tensor_from_bytes, draw_files),
    "our_name": Reference(our_name, draw_names),
    "parts_of_bert": Reference(
        parts_of_bert, draw_configuration, "H {H}, F {F}, {layers} layers, V {V}, P {P}"
    ),
    "int8_rows": Reference(int8_rows, draw_weights),
    "sentence_vector": Reference(sentence_vector),
    "ranking_loss": Reference(ranking_loss),
}
