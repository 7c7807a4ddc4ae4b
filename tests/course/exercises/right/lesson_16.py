"""Right answers to the exercises of lesson 16 in other styles than the solution's."""

import json
import re
import struct

import numpy as np
from course.exercises.solutions import solution


def tensor_by_struct(data, name):
    length = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8 : 8 + length])[name]
    begin, end = entry["data_offsets"]
    content = data[8 + length + begin : 8 + length + end]
    if entry["dtype"] == "BF16":
        content = b"".join(b"\0\0" + content[k : k + 2] for k in range(0, len(content), 2))
    numbers = struct.unpack(f"<{len(content) // 4}f", content)
    return np.array(numbers, np.float32).reshape(entry["shape"])


def tensor_by_offset(data, name):
    (length,) = np.frombuffer(data, "<u8", 1)
    header = json.loads(data[8 : 8 + int(length)].decode("utf-8"))
    shape, (begin, _) = header[name]["shape"], header[name]["data_offsets"]
    count, start = int(np.prod(shape)), 8 + int(length) + begin
    if header[name]["dtype"] == "F32":
        return np.frombuffer(data, np.float32, count, start).reshape(shape).copy()
    wide = np.zeros(count, "<u4")
    wide[:] = np.frombuffer(data, "<u2", count, start)
    return (wide << 16).view("<f4").reshape(shape)


def tensor_by_padding(blob, key):
    size = struct.unpack_from("<Q", blob)[0]
    info = json.loads(bytes(blob[8 : 8 + size]))[key]
    part = np.frombuffer(blob[8 + size :][slice(*info["data_offsets"])], np.uint8)
    width = {"F32": 4, "BF16": 2}[info["dtype"]]
    padded = np.zeros((part.size // width, 4), np.uint8)
    padded[:, 4 - width :] = part.reshape(-1, width)
    return padded.view("<f4").reshape(info["shape"])


def named_by_expressions(theirs):
    name = re.sub(r"^encoder\.layer\.", "encoder.", theirs)
    name = re.sub(r"attention\.output\.LayerNorm", "attention_norm", name)
    name = re.sub(r"attention\.output\.dense", "attention.output", name)
    name = re.sub(r"attention\.self\.", "attention.", name)
    name = re.sub(r"(\d)\.intermediate\.dense", r"\1.feed_forward.intermediate", name)
    name = re.sub(r"(\d)\.output\.dense", r"\1.feed_forward.output", name)
    name = re.sub(r"(\d)\.output\.LayerNorm", r"\1.output_norm", name)
    name = re.sub(
        r"(word|position|token_type)_embeddings",
        lambda m: {"word": "token", "position": "position"}.get(m[1], "segment"),
        name,
    )
    name = name.replace("embeddings.LayerNorm", "embeddings.norm")
    return re.sub(
        r"norm\.(weight|bias)$", lambda m: "norm." + ("gamma" if m[1] == "weight" else "beta"), name
    )


def named_by_parts(theirs):
    *path, last = theirs.split(".")
    if "LayerNorm" in path:
        last = {"weight": "gamma", "bias": "beta"}[last]
    if path[0] == "embeddings":
        names = {
            "word_embeddings": "token",
            "position_embeddings": "position",
            "token_type_embeddings": "segment",
        }
        return ".".join(["embeddings", (names | {"LayerNorm": "norm"})[path[1]], last])
    if path[0] == "pooler":
        return theirs
    inner = {
        "attention.output.dense": "attention.output",
        "attention.output.LayerNorm": "attention_norm",
        "intermediate.dense": "feed_forward.intermediate",
        "output.dense": "feed_forward.output",
        "output.LayerNorm": "output_norm",
    }
    rest = ".".join(path[3:])
    return f"encoder.{path[2]}.{inner.get(rest, rest.replace('self.', ''))}.{last}"


def named_by_a_chain(name):
    name = name.replace("encoder.layer", "encoder").replace("attention.self", "attention")
    name = name.replace("attention.output.LayerNorm", "attention_norm").replace(
        "output.LayerNorm", "output_norm"
    )
    is_inner = "attention" not in name and "pooler" not in name
    name = name.replace(".dense", "") if "pooler" not in name else name
    if is_inner and "encoder" in name and "norm" not in name:
        name = name.replace(".intermediate", ".feed_forward.intermediate").replace(
            ".output", ".feed_forward.output"
        )
    name = (
        name.replace("LayerNorm", "norm")
        .replace("norm.weight", "norm.gamma")
        .replace("norm.bias", "norm.beta")
    )
    name = name.replace("word_embeddings", "token").replace("token_type_embeddings", "segment")
    return name.replace("position_embeddings", "position")


def rows_in_loops(weight):
    quantised = np.zeros(weight.shape, np.int8)
    scale = np.ones(len(weight), np.float32)
    for i, row in enumerate(weight):
        largest = max(abs(float(entry)) for entry in row)
        if largest > 0:
            scale[i] = largest / 127
        for j, entry in enumerate(row):
            quantised[i, j] = round(float(entry) / float(scale[i]))
    return quantised, scale, quantised.nbytes + scale.nbytes


def rows_in_place(weight):
    scale = np.maximum(weight.max(axis=1), -weight.min(axis=1)) / np.float32(127)
    scale[scale == 0] = 1
    whole = np.rint(weight / scale.reshape(-1, 1)).astype("i1")
    return whole, scale, whole.size + 4 * scale.size


def rows_as_a_list(matrix):
    factors = np.array([np.abs(row).max() / 127 or 1.0 for row in matrix], dtype="f4")
    numbers = np.array([np.around(row / factor) for row, factor in zip(matrix, factors)]).astype(np.int8)
    return [numbers, factors, sum(array.nbytes for array in (numbers, factors))]


LOADED = solution("silent_loading")[0]
PARTS = solution("parts_of_bert")[0]

RIGHT = {
    "parts_of_bert": [
        dict(reversed(PARTS.items())),
        {name: float(count) for name, count in PARTS.items()},
        {name: np.int64(count) for name, count in PARTS.items()},
    ],
    "tensor_from_bytes": [tensor_by_struct, tensor_by_offset, tensor_by_padding],
    "our_name": [named_by_expressions, named_by_parts, named_by_a_chain],
    "silent_loading": [
        dict(reversed(LOADED.items())),
        {name: np.str_(answer) for name, answer in LOADED.items()},
        {name: "".join(answer) for name, answer in LOADED.items()},
    ],
    "int8_rows": [rows_in_loops, rows_in_place, rows_as_a_list],
}
