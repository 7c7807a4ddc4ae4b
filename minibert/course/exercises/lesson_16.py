"""Exercises of lesson 16, a real BERT: files, names, layouts, int8 weights, sentence vectors, their loss."""

import json
import struct

import numpy as np

from minibert.course.exercises.kinds import Choices, Function, Gradients, Mistake, Value

# --- tensor_from_bytes ---


def safetensors_file(*tensors):
    """(name, dtype as the file says it, shape, bytes) of each tensor → the bytes of the file.

    The header names the last tensor first: only the offsets say where a tensor is.
    """
    header, numbers = {}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(numbers), len(numbers) + len(content)],
        }
        numbers += content
    text = json.dumps(dict(reversed(header.items())), separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + numbers


PI = np.array([1.0, -2.5, 3.140625, 0.0, -0.0078125])  # exact in bfloat16, too
GRID = np.array([[0.5, 1.25, -3.0], [7.0, 0.1, 2.0]], np.float32)
FILE = safetensors_file(
    ("b", "BF16", [5], (PI.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()),
    ("w", "F32", [2, 3], GRID.astype("<f4").tobytes()),
    ("a", "F32", [1, 3], GRID[:1].astype("<f4").tobytes()),
)


def _read(data, name, dtypes, start):
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    entry = header[name]
    begin, end = entry["data_offsets"]
    kind = dtypes[entry["dtype"]]
    return np.frombuffer(data, kind, (end - begin) // np.dtype(kind).itemsize, start + begin).reshape(
        entry["shape"]
    )


def _widened(array):
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


def _header_length(data):
    return struct.unpack("<Q", data[:8])[0]


def offsets_from_the_start(data, name):
    return _widened(_read(data, name, {"F32": "<f4", "BF16": "<u2"}, 0))


def without_the_first_eight(data, name):
    return _widened(_read(data, name, {"F32": "<f4", "BF16": "<u2"}, _header_length(data)))


def big_endian(data, name):
    array = _read(data, name, {"F32": ">f4", "BF16": ">u2"}, 8 + _header_length(data))
    return _widened(array.astype(array.dtype.newbyteorder("=")))


def read_as_float16(data, name):
    return _read(data, name, {"F32": "<f4", "BF16": "<f2"}, 8 + _header_length(data))


def bits_as_numbers(data, name):
    return _read(data, name, {"F32": "<f4", "BF16": "<u2"}, 8 + _header_length(data))


def lower_half(data, name):
    array = bits_as_numbers(data, name)
    return array.astype(np.uint32).view(np.float32) if array.dtype == np.uint16 else array


def without_shape(data, name):
    return _widened(bits_as_numbers(data, name)).reshape(-1)


def transposed_on_reading(data, name):
    return _widened(bits_as_numbers(data, name)).T


def column_by_column(data, name):
    array = _widened(bits_as_numbers(data, name))
    return array.reshape(-1).reshape(array.shape, order="F")


# --- our_name ---

PAIRS = {
    "embeddings.word_embeddings.weight": "embeddings.token.weight",
    "embeddings.position_embeddings.weight": "embeddings.position.weight",
    "embeddings.token_type_embeddings.weight": "embeddings.segment.weight",
    "embeddings.LayerNorm.weight": "embeddings.norm.gamma",
    "encoder.layer.3.attention.self.query.weight": "encoder.3.attention.query.weight",
    "encoder.layer.10.attention.self.key.bias": "encoder.10.attention.key.bias",
    "encoder.layer.7.attention.self.value.weight": "encoder.7.attention.value.weight",
    "encoder.layer.11.attention.output.dense.bias": "encoder.11.attention.output.bias",
    "encoder.layer.0.attention.output.LayerNorm.bias": "encoder.0.attention_norm.beta",
    "encoder.layer.0.intermediate.dense.weight": "encoder.0.feed_forward.intermediate.weight",
    "encoder.layer.0.output.dense.weight": "encoder.0.feed_forward.output.weight",
    "encoder.layer.23.output.dense.bias": "encoder.23.feed_forward.output.bias",
    "encoder.layer.5.output.LayerNorm.weight": "encoder.5.output_norm.gamma",
    "pooler.dense.weight": "pooler.dense.weight",
}
REPLACEMENTS = [
    ("encoder.layer.", "encoder."),
    ("word_embeddings", "token"),
    ("position_embeddings", "position"),
    ("token_type_embeddings", "segment"),
    ("attention.output.LayerNorm", "attention_norm"),
    ("attention.self", "attention"),
    ("attention.output.dense", "attention.output"),
    ("intermediate.dense", "feed_forward.intermediate"),
    (".output.dense", ".feed_forward.output"),
    ("output.LayerNorm", "output_norm"),
    ("LayerNorm", "norm"),
    ("norm.weight", "norm.gamma"),
    ("norm.bias", "norm.beta"),
]


def _replaced(theirs, replacements):
    for old, new in replacements:
        theirs = theirs.replace(old, new)
    return theirs


def layer_left_in(theirs):
    return _replaced(theirs, REPLACEMENTS[1:])


def weight_for_gamma(theirs):
    return _replaced(theirs, REPLACEMENTS[:-2])


def gamma_for_beta(theirs):
    return _replaced(theirs, [*REPLACEMENTS[:-2], ("norm.weight", "norm.beta"), ("norm.bias", "norm.gamma")])


def one_output_for_another(theirs):
    return _replaced(theirs, [(".output.dense", ".feed_forward.output"), *REPLACEMENTS])


def no_feed_forward(theirs):
    return _replaced(theirs, [(old, new.replace("feed_forward.", "")) for old, new in REPLACEMENTS])


def one_norm_for_another(theirs):
    return _replaced(theirs, [("attention.output.LayerNorm", "output_norm"), *REPLACEMENTS])


def pooler_without_dense(theirs):
    return _replaced(theirs, [*REPLACEMENTS, ("pooler.dense", "pooler")])


# --- int8_rows ---

WEIGHT = np.array(
    [[0.8, -1.27, 0.333, 0.016], [0.0, 0.0, 0.0, 0.0], [-0.02, 0.0077, 0.0159, -0.0012]], np.float32
)
WEIGHT_WIDE = np.array(
    [
        [3.0, -0.4, 0.25, 1.07, -2.2],
        [-0.5, 0.49, 0.123, 0.2, -0.31],
        [5e-9, -3e-9, 1.1e-9, 0.0, 2.05e-9],  # small, but no row of zeros
    ],
    np.float32,
)


def _quantised(weight, limit=127, axis=1, rounding=np.round, absolute=np.abs, zero_scale=1.0):
    scale = absolute(weight).max(axis=axis, keepdims=True) / limit
    scale = np.where(scale == 0, 1, scale)
    whole = np.clip(rounding(weight / scale), -128, 127).astype(np.int8)
    scale = np.where(absolute(weight).max(axis=axis, keepdims=True) == 0, zero_scale, scale)
    return whole, scale.reshape(-1).astype(np.float32)


def _with_bytes(whole, scale):
    return whole, scale, whole.nbytes + scale.nbytes


def quantised_rows(weight):
    return _with_bytes(*_quantised(weight))


def cut_not_rounded(weight):
    return _with_bytes(*_quantised(weight, rounding=np.trunc))


def largest_not_absolute(weight):
    return _with_bytes(*_quantised(weight, absolute=np.asarray))


def scale_of_columns(weight):
    return _with_bytes(*_quantised(weight, axis=0))


def one_scale_for_all(weight):
    whole, scale = _quantised(weight, axis=None)
    return _with_bytes(whole, np.repeat(scale, len(weight)))


def one_scale_as_a_number(weight):
    return _with_bytes(*_quantised(weight, axis=None))


def over_128(weight):
    return _with_bytes(*_quantised(weight, limit=128))


def zero_scale(weight):
    return _with_bytes(*_quantised(weight, zero_scale=0.0))


def scale_the_other_way_round(weight):
    whole, scale = _quantised(weight)
    return _with_bytes(whole, 1 / scale)


def whole_numbers_as_floats(weight):
    whole, scale = _quantised(weight)
    return _with_bytes(whole.astype(np.float32), scale)


def whole_numbers_as_doubles(weight):
    whole, scale = _quantised(weight)
    return _with_bytes(whole.astype(np.float64), scale)


def whole_numbers_as_int64(weight):
    whole, scale = _quantised(weight)
    return whole, scale, whole.size * 8 + scale.nbytes


def only_the_whole_numbers_counted(weight):
    whole, scale = _quantised(weight)
    return whole, scale, whole.nbytes


def scales_kept_in_a_column(weight):
    whole, scale = _quantised(weight)
    return _with_bytes(whole, scale[:, np.newaxis])


# --- sentence_vector ---

MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 0, 1], [1, 0, 1, 1, 1]])


def sentence_vector_inputs(rng):
    return rng.standard_normal((3, 5, 6)), MASK


def _mean(states, attention_mask):
    weights = attention_mask[..., np.newaxis]
    return (states * weights).sum(axis=1) / weights.sum(axis=1)


def _unit(x, axis=-1):
    return x / np.sqrt((x * x).sum(axis=axis, keepdims=True))


def mean_without_unit(states, attention_mask):
    return _mean(states, attention_mask)


def padding_counted(states, attention_mask):
    return _unit(states.mean(axis=1))


def unit_before_mean(states, attention_mask):
    return _mean(_unit(states), attention_mask)


def unit_before_and_after(states, attention_mask):
    return _unit(_mean(_unit(states), attention_mask))


def unit_over_the_batch(states, attention_mask):
    return _unit(_mean(states, attention_mask), axis=0)


def one_length_for_all(states, attention_mask):
    return _unit(_mean(states, attention_mask), axis=(0, 1))


def squared_length(states, attention_mask):
    mean = _mean(states, attention_mask)
    return mean / (mean * mean).sum(axis=-1, keepdims=True)


def root_mean_square(states, attention_mask):
    mean = _mean(states, attention_mask)
    return mean / np.sqrt((mean * mean).mean(axis=-1, keepdims=True))


def first_token(states, attention_mask):
    return _unit(states[:, 0])


# --- ranking_loss ---


def ranking_loss_inputs(rng):
    return rng.standard_normal((5, 3)), rng.standard_normal((5, 3))


FAR_SCORES = (
    (
        np.array([[0.9, 1.0], [0.5, 5.0], [-0.9, 1.0], [0.0, -10.0]]),
        np.array([[10.0, 1.0], [10.0, 1.001], [-10.0, 1.0], [-10.0, 1.0]]),
    ),
    {"temperature": 0.01},
    np.float64(0.781476),
    "exp(1000) is infinite, and exp(-1000) is 0: subtract from each row of S its largest score before exp.",
)


def _log_softmax(scores, axis=-1):
    shifted = scores - scores.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def no_temperature(first, second, temperature):
    return -np.diag(_log_softmax(first @ second.T)).mean()


def times_temperature(first, second, temperature):
    return -np.diag(_log_softmax(first @ second.T * temperature)).mean()


def over_the_first(first, second, temperature):
    return -np.diag(_log_softmax(first @ second.T / temperature, axis=0)).mean()


def both_directions(first, second, temperature):
    return (_ranking(first, second, temperature) + over_the_first(first, second, temperature)) / 2


def summed(first, second, temperature):
    return _ranking(first, second, temperature) * len(first)


def over_all_pairs(first, second, temperature):
    scores = first @ second.T / temperature
    return -np.diag(_log_softmax(scores.reshape(-1)).reshape(scores.shape)).mean()


def mean_of_all_entries(first, second, temperature):
    return -_log_softmax(first @ second.T / temperature).mean()


def sign_forgotten(first, second, temperature):
    return -_ranking(first, second, temperature)


def without_the_partner(first, second, temperature):
    scores = first @ second.T / temperature
    others = np.exp(scores) * (1 - np.eye(len(scores)))
    return (np.log(others.sum(axis=-1)) - np.diag(scores)).mean()


def made_unit_first(first, second, temperature):
    return _ranking(_unit(first), _unit(second), temperature)


def _ranking(first, second, temperature):
    return -np.diag(_log_softmax(first @ second.T / temperature)).mean()


EXERCISES = [
    # Task: read one F32 or BF16 tensor from the bytes of a .safetensors file.
    Function(
        name="tensor_from_bytes",
        points=2,
        cases=[((FILE, "w"), GRID), ((FILE, "b"), PI.astype(np.float32))],
        dtypes=("float32",),
        mistakes=[
            Mistake(
                lower_half, "The 16 bits of a BF16 are the *upper* half of a float32: shift them left by 16."
            ),
            Mistake(
                offsets_from_the_start,
                "The offsets count from the end of the header, not from the beginning of the file.",
            ),
            Mistake(
                without_the_first_eight,
                "The numbers begin behind the header *and* the eight bytes that hold its length.",
            ),
            Mistake(big_endian, "The bytes are read in the wrong order: the file is little-endian, '<f4'."),
            Mistake(read_as_float16, "BF16 is not float16: its bits are the upper 16 of a float32."),
            Mistake(
                bits_as_numbers,
                "These are the 16 bits of each BF16, read as an integer. They are the upper half of a "
                "float32.",
            ),
            Mistake(without_shape, "The numbers are right: give them the shape that the header says."),
            Mistake(transposed_on_reading, "Return the tensor as it lies in the file, without a transpose."),
            Mistake(column_by_column, "Rows lie one after the other (C order), not columns."),
        ],
        hint=(
            "Length of the header: 8 bytes, '<Q'. Its JSON follows, then the numbers; data_offsets count "
            "from there."
        ),
    ),
    # Task: Hugging Face's name of a tensor of BertModel becomes ours.
    Function(
        name="our_name",
        points=1,
        cases=[((theirs,), ours) for theirs, ours in PAIRS.items()],
        mistakes=[
            Mistake(
                layer_left_in, "Ours is encoder.3, without `layer`: the blocks are a list named encoder."
            ),
            Mistake(gamma_for_beta, "The weight of a LayerNorm is the gain gamma, its bias is beta."),
            Mistake(
                weight_for_gamma, "Our LayerNorm calls its parameters gamma (the weight) and beta (the bias)."
            ),
            Mistake(
                one_output_for_another,
                "There are two outputs: attention.output.dense ends the attention, output.dense the "
                "feed-forward part. "
                "Replace the longer name first.",
            ),
            Mistake(
                one_norm_for_another,
                "Two norms: attention.output.LayerNorm is attention_norm, output.LayerNorm is output_norm.",
            ),
            Mistake(
                no_feed_forward,
                "The two layers of the feed-forward network are under feed_forward in minibert.",
            ),
            Mistake(pooler_without_dense, "The pooler keeps its `dense`, in both."),
        ],
        hint="A list of (old, new), applied one after the other by str.replace; the longer names first.",
    ),
    # Task: a tensor is copied without its transpose, or config.json is wrong: an error, wrong or right?
    Choices(
        name="silent_loading",
        points=2,
        expected={
            "attention.self.query.weight": "wrong",
            "attention.self.key.bias": "right",
            "intermediate.dense.weight": "error",
            "attention.output.dense.weight": "wrong",
            "word_embeddings.weight": "right",
            "heads 6": "wrong",
            "heads 10": "error",
            "positions 256": "error",
        },
        options=("error", "wrong", "right"),
        questions={
            "attention.self.query.weight": "what shapes have it and its transpose; are they the same matrix?",
            "attention.self.key.bias": "how many axes has a bias?",
            "intermediate.dense.weight": "what is its shape in the file, and what in the model?",
            "attention.output.dense.weight": "what is its shape, what that of its transpose?",
            "word_embeddings.weight": "is a table transposed between the two (the table of names)?",
            "heads 6": "which tensor's shape depends on the number of heads; which columns make up a head?",
            "heads 10": "what is divided by the number of heads?",
            "positions 256": "which tensor's shape depends on it?",
        },
    ),
    # Task: how many parameters of a BertModel are in its embeddings, attention, feed-forward, norms, pooler?
    Value(
        name="parts_of_bert",
        points=2,
        expected={
            "embeddings": 11917824,
            "attention": 3548160,
            "feed_forward": 7089408,
            "norms": 9984,
            "pooler": 147840,
        },
        mistakes=[
            ({"embeddings": 11720448}, "The positions and the two segments have tables, too."),
            ({"attention": 2661120}, "Query, key, value, and the output's projection: four."),
            ({"attention": 3538944, "feed_forward": 7077888}, "Each projection has a bias, too."),
            ({"attention": 591360, "feed_forward": 1181568}, "That is one layer."),
            ({"norms": 9216}, "The embeddings have a LayerNorm, too."),
            ({"norms": 4992}, "Each LayerNorm has a γ and a β."),
            ({"pooler": 147456}, "The pooler has a bias, too."),
        ],
        hint="Count one layer: four projections H × H with bias, two for the feed-forward, two LayerNorms.",
    ),
    # Task: quantise a matrix to int8 with one scale for each row.
    Function(
        name="int8_rows",
        points=2,
        tolerance=1e-6,
        cases=[((WEIGHT_WIDE,), quantised_rows(WEIGHT_WIDE)), ((WEIGHT,), quantised_rows(WEIGHT))],
        dtypes=("int8", "float32"),
        mistakes=[
            Mistake(
                cut_not_rounded,
                "astype(np.int8) cuts the fraction off: round first, or every weight moves towards zero.",
            ),
            Mistake(
                largest_not_absolute, "The largest entry is not the largest in absolute value: np.abs first."
            ),
            Mistake(
                scale_of_columns,
                "You have a scale for each column. A row of the file is an output: one scale for each row.",
            ),
            Mistake(one_scale_as_a_number, "One scale for the whole matrix; each row needs its own."),
            Mistake(one_scale_for_all, "All rows have the same scale: each row needs its own."),
            Mistake(over_128, "Divide by 127: int8 goes from -128 to 127, and 128 does not fit."),
            Mistake(
                scale_the_other_way_round,
                "The scale is upside down: weight = quantised * scale, so scale = largest / 127.",
            ),
            Mistake(zero_scale, "A row of zeros has the scale 0, and 0 / 0 is NaN: give it the scale 1."),
            Mistake(
                whole_numbers_as_floats,
                "The values are right, but they still take 4 bytes each: astype(np.int8).",
            ),
            Mistake(
                whole_numbers_as_doubles,
                "The values are right, but they still take 8 bytes each: astype(np.int8).",
            ),
            Mistake(
                whole_numbers_as_int64,
                "The values are right, but they still take 8 bytes each: astype(np.int8).",
            ),
            Mistake(only_the_whole_numbers_counted, "The scales take bytes, too."),
            Mistake(
                scales_kept_in_a_column, "scale has the shape (out,): without the axis that keepdims kept."
            ),
        ],
        hint=(
            "scale = the largest |entry| of each row / 127; quantised = round(weight / scale) as int8; "
            "scales as float32."
        ),
    ),
    # Task: the mean of the real tokens, scaled to length 1.
    Gradients(
        name="sentence_vector",
        points=(1, 2),
        inputs=sentence_vector_inputs,
        shape=(3, 6),
        values=[0.0977241, -0.337088, -0.473772, -0.595983, 0.168975, 0.254822],
        mistakes=[
            Mistake(mean_without_unit, "The mean is right: divide it by its length."),
            Mistake(padding_counted, "The padding is averaged in: only tokens whose mask is 1 count."),
            Mistake(
                unit_before_mean,
                "The tokens have length 1, and not the sentence: first the mean, then divide by its length.",
            ),
            Mistake(
                unit_before_and_after,
                "Every token was scaled to length 1 before the mean. Average the states as they are.",
            ),
            Mistake(unit_over_the_batch, "The squares are summed over the sentences: sum over H, axis=-1."),
            Mistake(
                one_length_for_all,
                "One length for the whole batch; each sentence has its own: axis=-1, keepdims=True.",
            ),
            Mistake(squared_length, "Divided by the squared length: the square root is missing."),
            Mistake(
                root_mean_square,
                "You divide by the root of the *mean* of the squares (RMSNorm). The length is the root of "
                "their sum.",
            ),
            Mistake(first_token, "This is the state of [CLS], not the mean."),
        ],
        hint=(
            "mean = sum of the real tokens / their number, (B, H); length = sqrt of the sum of mean * mean "
            "over H, (B, 1)."
        ),
    ),
    # Task: -mean over i of log softmax(first_i · second_j / temperature) at j = i.
    Gradients(
        name="ranking_loss",
        points=(1, 3),
        inputs=ranking_loss_inputs,
        constants={"temperature": 0.7},
        shape=(),
        values=[2.38499],
        edges=[FAR_SCORES],
        mistakes=[
            Mistake(no_temperature, "The scores are not divided by the temperature."),
            Mistake(times_temperature, "The scores are multiplied by the temperature; divide."),
            Mistake(
                over_the_first,
                "The softmax runs over the first sentences. A row has one first and every second: sum over "
                "the last axis.",
            ),
            Mistake(
                both_directions,
                "This is the mean of both directions (as in CLIP). Here only the rows count: first looks "
                "for second.",
            ),
            Mistake(summed, "The loss is the mean over the B rows, not the sum."),
            Mistake(over_all_pairs, "One softmax over all B × B pairs; each row has its own."),
            Mistake(
                mean_of_all_entries,
                "The mean runs over all pairs; only the partners, the diagonal, are right answers.",
            ),
            Mistake(sign_forgotten, "The sign: a loss is minus the log of a probability."),
            Mistake(without_the_partner, "The denominator holds all B candidates, the partner included."),
            Mistake(made_unit_first, "The vectors were scaled to length 1. Take them as they are given."),
        ],
        hint=(
            "scores = first @ second.T / temperature; softmax of each row; minus the log of the diagonal; "
            "mean."
        ),
    ),
]
