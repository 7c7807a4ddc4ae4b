"""The trace: twenty values by hand, paths that can be typed, gradients under their values, messages."""

import doctest
import html.parser
import importlib
import math
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import minibert
from minibert import trace
from minibert.gradcheck import museum
from minibert.layers.walk import is_array, walk
from minibert.layers.walk import parts as record_parts
from minibert.trace import example, first_non_finite, source, tensors
from minibert.trace.view import Node, number, summary

GUIDE = pathlib.Path(minibert.__file__).parent.parent / "notebooks" / "guides" / "debugging.md"


@pytest.fixture
def model():
    return minibert.BertForPreTraining(
        minibert.BertConfig(
            vocab_size=11,
            hidden_size=6,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=10,
            max_position_embeddings=5,
        )
    )


@pytest.fixture(scope="module")
def small():
    return example.by_hand()


@pytest.fixture(scope="module")
def seen():
    subject = example.by_hand()
    return trace.watch(subject.model, **subject.batch)


@pytest.fixture(scope="module")
def lines(seen):
    return str(seen).splitlines()


# --- walking through a cache --------------------------------------------------------------------------------


def test_the_paths_can_be_typed_at_a_breakpoint(model):
    _, cache = model.forward(
        np.array([[1, 2, 3]]), labels=np.array([[-100, 2, -100]]), rng=np.random.default_rng(0)
    )
    found = dict(tensors(cache))
    assert len(found) > 40
    for path, array in found.items():
        assert eval(path, {"cache": cache}) is array  # a path is Python
    assert found["cache.bert.encoder[1].attention.probs"].shape == (1, 3, 3, 3)
    paths = list(found)
    first, later = "cache.bert.embeddings.token.ids", "cache.bert.encoder[0].attention.probs"
    assert paths.index(first) < paths.index(later)


def test_the_first_that_is_not_finite(model):
    _, cache = model.forward(np.array([[1, 2, 3]]))
    assert first_non_finite(model, cache) is None
    cache.bert.encoder[1].attention.probs[0, 0, 0, 0] = np.nan
    assert first_non_finite(model, cache) == "cache.bert.encoder[1].attention.probs"
    model.nsp_head.bias.value[1] = -np.inf
    assert first_non_finite(model, cache) == "nsp_head.bias"  # parameters come first: they are the cause


# --- twenty values, recomputed with Python's own floats: no NumPy, none of our code -------------------------


def dot(row, column):
    return sum(a * b for a, b in zip(row, column))


def linear(rows, layer):
    weight, bias = layer.weight.value.tolist(), layer.bias.value.tolist()
    return [[dot(row, column) + b for column, b in zip(zip(*weight), bias)] for row in rows]


def normalize(row, eps=1e-12):
    """(normalized, inverse_std); gain 1 and bias 0, as they are at the start."""
    mean = sum(row) / len(row)
    inverse_std = 1 / math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + eps)
    return [(x - mean) * inverse_std for x in row], inverse_std


def cdf(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def softmax(row):
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def add(rows, others):
    return [[a + b for a, b in zip(row, other)] for row, other in zip(rows, others)]


def by_hand(subject, bump=None, amount=0.0):
    """{name: value}, and the loss: one pass. `amount` is added to the value that `bump` names."""
    bert, found = subject.model.bert, {}

    def note(name, value):
        found[name] = value + (amount if name == bump else 0.0)
        return found[name]

    ids, segments = subject.batch["input_ids"][0].tolist(), subject.batch["token_type_ids"][0].tolist()
    is_token = subject.batch["attention_mask"][0].tolist()
    tables = [
        layer.weight.value.tolist()
        for layer in (bert.embeddings.token, bert.embeddings.position, bert.embeddings.segment)
    ]
    summed = [
        [sum(parts) for parts in zip(tables[0][token], tables[1][place], tables[2][segment])]
        for place, (token, segment) in enumerate(zip(ids, segments))
    ]
    summed[0][0] = note("embeddings", summed[0][0])
    hidden = [normalize(row)[0] for row in summed]
    note("inverse_std", normalize(summed[0])[1])
    note("normalized", hidden[0][0])
    for number_of_layer, layer in enumerate(bert.encoder):
        prefix, attention = f"{number_of_layer} ", layer.attention
        query, key, value = (
            linear(hidden, part) for part in (attention.query, attention.key, attention.value)
        )
        for name, rows in (("query", query), ("key", key), ("value", value)):
            note(prefix + name, rows[0][0])
        joined = [[] for _ in ids]
        for head in range(2):
            columns = slice(4 * head, 4 * head + 4)
            for place, row in enumerate(query):
                scores = [dot(row[columns], other[columns]) / math.sqrt(4) for other in key]
                if (head, place) == (0, 0):
                    scores[0] = note(prefix + "scores", scores[0])
                probs = softmax([score for score, real in zip(scores, is_token) if real])  # [PAD] is last
                if (head, place) == (0, 0):
                    note(prefix + "probs", probs[0])
                joined[place] += [dot(probs, column) for column in list(zip(*value))[columns]]
        note(prefix + "joined", joined[0][0])
        attended = [normalize(row)[0] for row in add(hidden, linear(joined, attention.output))]
        note(prefix + "attended", attended[0][0])
        inner = linear(attended, layer.feed_forward.intermediate)
        note(prefix + "inner", inner[0][0])
        note(prefix + "cdf", cdf(inner[0][0]))
        outer = linear([[x * cdf(x) for x in row] for row in inner], layer.feed_forward.output)
        hidden = [normalize(row)[0] for row in add(attended, outer)]
        note(prefix + "hidden", hidden[0][0])
    pooled = [math.tanh(x) for x in linear(hidden[:1], bert.pooler.dense)[0]]
    note("pooled", pooled[0])
    nsp_probs = softmax(linear([pooled], subject.model.nsp_head)[0])
    places = list(subject.answers)
    states = [
        [x * cdf(x) for x in row]
        for row in linear([hidden[place] for place in places], subject.model.mlm_head.dense)
    ]
    mlm_probs = [softmax([dot(normalize(row)[0], word) for word in tables[0]]) for row in states]
    labels = [int(subject.batch["labels"][0, place]) for place in places]
    mlm_loss = -sum(math.log(probs[label]) for probs, label in zip(mlm_probs, labels)) / 3
    note("mlm_probs", mlm_probs[0][0])
    found["d_logits"] = (mlm_probs[0][0] - (labels[0] == 0)) / 3
    found["d_decoder_bias"] = sum(probs[0] - (label == 0) for probs, label in zip(mlm_probs, labels)) / 3
    found["d_nsp_bias"] = nsp_probs[0] - 1  # the label is 0
    found["loss"] = mlm_loss - math.log(nsp_probs[0])
    return found


def slope(subject, name, step=1e-5):
    """d loss / d name, by central differences."""
    return (by_hand(subject, name, step)["loss"] - by_hand(subject, name, -step)["loss"]) / (2 * step)


# Heading of the printed tree, label of the line, the name above. It is the table of the debugging guide.
TWENTY = [
    ("", "bert.embeddings.norm.inverse_std", "inverse_std"),
    ("", "bert.embeddings.norm.normalized", "normalized"),
    ("", "bert.encoder.0.attention.query_heads", "0 query"),
    ("", "bert.encoder.0.attention.key_heads", "0 key"),
    ("", "bert.encoder.0.attention.value_heads", "0 value"),
    ("", "bert.encoder.0.attention.probs", "0 probs"),
    ("", "bert.encoder.0.attention.output.x", "0 joined"),
    ("", "bert.encoder.0.attention_norm.normalized", "0 attended"),
    ("", "bert.encoder.0.feed_forward.activation.x", "0 inner"),
    ("", "bert.encoder.0.feed_forward.activation.cdf", "0 cdf"),
    ("", "bert.encoder.0.output_norm.normalized", "0 hidden"),
    ("", "bert.encoder.2.attention.probs", "2 probs"),
    ("", "bert.encoder.2.output_norm.normalized", "2 hidden"),
    ("", "bert.pooler.pooled", "pooled"),
    ("", "mlm_loss.probs", "mlm_probs"),
    ("mlm_loss", "mlm_loss.d_logits", "d_logits"),
    ("mlm_head", "mlm_head.decoder.bias.grad", "d_decoder_bias"),
    ("nsp_head", "nsp_head.bias.grad", "d_nsp_bias"),
    ("bert.encoder.2.attention", "bert.encoder.2.attention.d_scores", "2 scores"),
    ("bert.embeddings", "bert.embeddings.d_embeddings", "embeddings"),
]


def printed(lines, heading, label):
    """The first number on the line of that label: in the forward tree, or with a heading in the backward."""
    backward = next(number for number, line in enumerate(lines) if line.startswith("--- backward"))
    section = lines[backward:] if heading else lines[:backward]
    line = next(line for line in section if line.split()[:1] == [label])
    numbers = re.search(r"\)\s+\S+\s+\S+\s+(\S+)", line)  # after the shape: mean, spread, the first value
    return numbers[1]


@pytest.mark.parametrize(
    "heading, label, name", TWENTY, ids=[f"{heading} {label}".strip() for heading, label, _ in TWENTY]
)
def test_twenty_values_by_hand(small, lines, heading, label, name):
    expected = slope(small, name) if label.endswith(("d_scores", "d_embeddings")) else by_hand(small)[name]
    assert len(TWENTY) == 20 and abs(expected) > 1e-4
    relative = 0.05 if abs(expected) < 1e-3 else 1e-12
    assert float(printed(lines, heading, label)) == pytest.approx(expected, abs=0.51e-4, rel=relative)


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not there")
def test_the_table_of_the_guide_is_this_one(lines):
    rows = re.findall(
        r"^\| (?:`(\S+)` \(backward\)|forward) \| `(\S+)` \| (\S+) \|",
        GUIDE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [(heading, label, printed(lines, heading, label)) for heading, label, _ in TWENTY]


def test_the_loss_by_hand(small, seen):
    assert float(seen.output.loss) == pytest.approx(by_hand(small)["loss"], abs=1e-13)


# --- the tree -----------------------------------------------------------------------------------------------


def parts(items, heading=None):
    """Every (heading Node, Row) of a tree."""
    for item in items:
        if isinstance(item, Node):
            yield from parts(item.items, item)
        else:
            yield heading, item


def test_the_letters_have_sizes_of_their_own(small, seen):
    config = small.model.config
    sizes = [
        1,
        len(small.tokens),
        config.hidden_size,
        config.num_attention_heads,
        config.hidden_size // config.num_attention_heads,
        config.intermediate_size,
        config.vocab_size,
        len(small.answers),
    ]
    assert sizes == [1, 15, 8, 2, 4, 16, 20, 3] and len(set(sizes)) == len(sizes)
    assert config.num_hidden_layers == 3
    assert all(math.isfinite(array.sum()) for _, array in tensors(seen.cache))
    again = example.by_hand().model.parameters()
    for name, parameter in small.model.parameters().items():
        np.testing.assert_array_equal(parameter.value, again[name].value)


def test_every_field_of_the_cache_is_in_the_tree(seen):
    """Under the path that it has in the record."""
    (_, _, items), (_, _, backward) = seen.view().sections
    rows = {}
    for _, row in parts(items):
        rows.setdefault(row.label, row.value)
    kept = dict(walk(seen.cache, is_array, within=record_parts))
    assert len(kept) > 70
    for path, array in kept.items():
        assert rows[path] is array, path
    assert rows["hidden_shape"] == seen.cache.hidden_shape and rows["bert.pooler.num_tokens"] == 15
    for heading, row in parts(backward):
        called = re.search(r"called as (self\S*)\.backward", heading.title)[1]
        layer = eval(re.sub(r"\.(\d+)", r"[\1]", called), {"self": seen.model})
        assert heading.title.startswith(type(layer).__name__)
        assert row.label.rpartition(".")[0].removesuffix(".weight").startswith(heading.path)


def test_every_path_that_is_printed_is_taken_by_only(seen):
    """And shows what it names. (tests/trace/test_debugging.py: and by --stop-at.)"""
    rows = [row for _, _, items in seen.view().sections for _, row in parts(items)]
    assert len(rows) > 600
    for row in rows[::11]:
        shown = [found for _, _, items in seen.view(row.label).sections for _, found in parts(items)]
        assert any(found.label == row.label and found.value is row.value for found in shown), row.label


def test_the_gradients_of_all_parameters_are_printed_under_their_names(seen):
    lines = {line.split()[0] for line in str(seen).splitlines() if line.strip()}
    for name in seen.model.parameters():
        assert {name, f"{name}.grad"} <= lines


def test_each_gradient_is_below_the_value_it_belongs_to(seen):
    previous = None
    pairs = 0
    for _, row in parts(seen.view().sections[1][2]):
        if row.is_gradient and previous is not None and not previous.is_gradient:
            assert np.shape(row.value) == np.shape(previous.value)
            above, _, name = previous.label.rpartition(".")
            pairs += row.label in (f"{above}.d_{name}".removeprefix("."), f"{previous.label}.grad")
        previous = row
    assert pairs > 100
    found = {row.label: row for _, row in parts(seen.view().sections[1][2])}
    path = "bert.encoder.1.attention"
    scores = found[f"{path}.scores"]  # not in the cache: forward's own
    attention = seen.cache.bert.encoder[1].attention
    expected = attention.query_heads @ attention.key_heads.swapaxes(-1, -2) / 2
    np.testing.assert_allclose(scores.value, expected, rtol=1e-13)
    assert scores.note == "(query_heads @ key_heads.swapaxes(-1, -2)) * scale"
    assert found[f"{path}.share_of_key"].is_gradient  # without a value of its own


def test_backward_is_in_its_order(seen):
    order = [step.path for step in trace.steps(seen.backward)]
    places = [
        order.index(path)
        for path in (
            "mlm_loss.d_logits",
            "d_prediction_logits",
            "mlm_head.decoder.d_weight",
            "mlm_head.decoder.weight.grad",
            "mlm_head.d_normalized",
            "d_seq_relationship_logits",
            "bert.pooler.d_dense",
            "bert.encoder.2.output_norm.d_x",
            "bert.encoder.2.d_output_sum",
            "bert.encoder.2.attention.d_scores",
            "bert.encoder.2.attention.d_query_heads",
            "bert.encoder.2.attention.share_of_query",
            "bert.encoder.1.attention.d_scores",
            "bert.embeddings.norm.d_x",
            "bert.embeddings.token.weight.grad",
        )
    ]
    assert places == sorted(places)


def test_the_gradients_are_those_of_backward(seen):
    """The shares of a shared weight add up to its gradient."""
    shares = {}
    for call in trace.calls(seen.backward):
        for name, share in call.shares.items():
            parameter = getattr(call.layer, name)
            shares[parameter] = shares.get(parameter, 0) + share
    for name, parameter in seen.model.parameters().items():
        np.testing.assert_allclose(shares[parameter], parameter.grad, rtol=1e-12, atol=1e-15, err_msg=name)


def test_watching_changes_nothing(small):
    plain = example.by_hand()
    output, cache = plain.model.forward(**plain.batch)
    plain.model.backward(cache)
    watched = example.by_hand()
    result = trace.watch(watched.model, **watched.batch)
    assert float(output.loss) == float(result.output.loss)
    for one, two in zip(plain.model.parameters().values(), watched.model.parameters().values()):
        np.testing.assert_array_equal(one.grad, two.grad)


def test_watching_hands_back_the_readers_own_profiler(small):
    def profiler(frame, event, value):
        pass

    sys.setprofile(profiler)
    try:
        with pytest.raises(ValueError, match="must be integers"):
            trace.watch(small.model, np.array([[0.5]]))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


def test_formulas_come_from_the_source(lines):
    text = "\n".join(lines)
    for path, formula in [
        ("bert.encoder.0.attention.probs", "softmax(masked_scores)"),
        ("bert.encoder.0.attention.query.x", "query_input"),
        ("bert.mask", "check_inputs(self.config, input_ids, token_type_ids, attention_mask)"),
        ("mlm_head.dense.x", "x"),
        ("bert.encoder.0.feed_forward.activation.x", "intermediate"),
        ("bert.pooler.dense.x", "first"),
        ("bert.encoder.0.attention.d_scores",
         "d_masked_scores if cache.mask is None else d_masked_scores * cache.mask"),
        ("d_state_rows", "… d_state_rows[cache.predicted] = d_asked"),
        ("nsp_head.weight.grad", "d_weight"),
    ]:
        number = next(number for number, line in enumerate(lines) if line.split()[:1] == [path])
        assert lines[number + 1].strip() == f"= {formula}", path
    assert re.search(r"token.weight.grad .*\n +… ?.*|add_rows\(self.weight.grad, ids.reshape\(-1\)", text)
    headline = "MultiHeadAttention: output = concat_heads(softmax(Q Kᵀ / √D) V) W_output + b_output\n"
    assert headline in text  # without the reference to the paper


class Branches(minibert.layers.Layer):
    """Assigns one name on several lines, of which one runs."""

    def forward(self, x, other=None, rng=None):
        if other is not None:
            y = x + other
        elif rng is None:
            y = x * 2
        else:
            y = x * rng.random()
        if self.is_large(y):
            z = y - 1
        else:
            z = y + 1
        return z, None

    def is_large(self, y):
        return bool(y.sum() > 10)

    def backward(self, d_z, cache):
        return d_z


@pytest.mark.parametrize("given, formula", [
    ({}, "x * 2"), ({"other": 1.0}, "x + other"), ({"rng": np.random.default_rng(0)}, "x * rng.random()"),
])
def test_a_formula_is_the_line_that_ran(given, formula):
    """Where the branch can be told; else the lines that may have run."""
    seen = trace.watch(Branches(), np.ones(3), **given)
    formulas = {step.name: step.formula for step in trace.steps(seen.forward)}
    assert formulas["y"] == formula and formulas["z"] == "y - 1, or y + 1"


def test_no_formula_for_a_line_that_did_not_run(seen):
    """Dropout without a generator draws nothing; a state that was not given is not joined."""
    text = str(seen)
    assert "rng.bytes" not in text and "np.concatenate([state" not in text
    assert "rng.bytes" not in str(trace.tree(seen.cache))


def test_no_line_is_wider_than_120_columns(seen):
    for text in (str(seen), str(seen.view("mlm_loss", values=True)), str(trace.tree(seen.cache))):
        assert max(map(len, text.splitlines())) <= 120


def test_only_a_part(seen):
    part = str(seen.view("bert.encoder.1.attention"))
    labels = [line.split()[0] for line in part.splitlines() if line.lstrip().startswith("bert")]
    beside = {"bert.encoder.1.attention", "bert.encoder.1.d_attention"}  # its output has the same name
    assert all(label.startswith("bert.encoder.1.attention.") for label in labels if label not in beside)
    assert len(labels) > 60
    assert not any(label.startswith("bert.encoder.1.attention_norm") for label in labels)
    assert "d_scores" in part
    for path in ("cache.bert.encoder.1.attention", "bert.encoder[1].attention", "encoder.1.attention"):
        assert str(seen.view(path)) == part
    for path, expected in [
        ("bert.encoder.1.attention.probs", ["probs", "probs", "d_probs"]),
        ("bert.encoder[1].attention.d_scores", ["scores", "d_scores"]),
        ("encoder.1.attention.query.weight.grad", ["query.weight", "query.weight.grad"]),
        ("encoder.1.attention.query.weight", ["query.weight", "query.weight.grad"]),
        ("encoder.1.attention.scores", ["scores", "scores", "d_scores"]),
    ]:
        labels = [line.split()[0] for line in str(seen.view(path)).splitlines() if re.match(" +bert", line)]
        assert labels == [f"bert.encoder.1.attention.{name}" for name in expected]
    everywhere = [line for line in str(seen.view("d_scores")).splitlines() if "attention.d_scores" in line]
    assert len(everywhere) == 3  # the end of a path: all that have it


@pytest.mark.parametrize(
    "wrong, expected",
    [
        ("bert.encoder[1].atention", "bert.encoder.1 holds: bert.encoder.1.x, bert.encoder.1.attention, "),
        ("bert.encoder[1].atention", "is bert.encoder.1.attention or "),
        ("bert.encoder[7]", "bert.encoder holds: bert.encoder.0, bert.encoder.1, bert.encoder.2"),
        ("nothing", "the pass holds: input_ids, token_type_ids"),
    ],
)
def test_a_wrong_path_names_the_right_ones(seen, wrong, expected):
    with pytest.raises(ValueError, match=re.escape(f"the pass has no '{wrong}'")) as error:
        seen.view(wrong)
    assert expected in str(error.value)


def test_values_prints_all_of_them(seen):
    probs = seen.cache.mlm_loss.probs
    text = str(seen.view("mlm_loss.probs", values=True))
    numbers = text.split("= exponentials / totals\n")[1].split("---")[0]
    found = [float(entry) for entry in re.findall(r"\d+\.\d+", numbers)]
    assert found == pytest.approx(probs.ravel().tolist(), abs=1e-4)


def test_a_tree_of_a_cache_alone(seen):
    text = str(trace.tree(seen.cache))
    assert "bert.encoder.1.attention.probs " in text and "= softmax(masked_scores)" in text
    attention = seen.cache.bert.encoder[0].attention
    assert "\n  query.x  " in str(trace.tree(attention))  # from any cache, with its own paths
    with pytest.raises(ValueError, match="the cache has no 'nothing'; the cache holds: query"):
        trace.tree(attention, "nothing")


def test_a_layer_that_is_no_loss():
    layer = minibert.Linear(4, 3, dtype=np.float64)
    x, d_y = np.arange(8.0).reshape(2, 4), np.ones((2, 3))
    seen = trace.watch(layer, x, d_output=d_y)
    found = {row.label: row.value for _, row in parts(seen.view().sections[1][2])}
    np.testing.assert_array_equal(found["weight.grad"], x.T @ d_y)
    np.testing.assert_array_equal(found["x"], x)
    assert trace.watch(layer, x).backward is None


class SidesCache(NamedTuple):
    sides: dict
    scaled: tuple


class Sides(minibert.layers.Layer):
    """y = left(x) + right(x) scale."""

    def __init__(self):
        self.sides = {name: minibert.Linear(3, 2, dtype=np.float64) for name in ("left", "right")}
        self.scales = (minibert.layers.Parameter(np.full(2, 3.0)),)

    def forward(self, x):
        left, left_cache = self.sides["left"].forward(x)
        right, right_cache = self.sides["right"].forward(x)
        y = left + right * self.scales[0].value
        return y, SidesCache({"left": left_cache, "right": right_cache}, (right,))

    def backward(self, d_y, cache):
        d_right = d_y * self.scales[0].value
        self.scales[0].grad += (d_y * cache.scaled[0]).sum(axis=0)
        d_x = self.sides["left"].backward(d_y, cache.sides["left"])
        d_x = d_x + self.sides["right"].backward(d_right, cache.sides["right"])
        return d_x


def test_layers_and_parameters_in_dicts_and_tuples():
    model, x = Sides(), np.arange(12.0).reshape(4, 3)
    seen = trace.watch(model, x, d_output=np.ones((4, 2)))
    assert [call.path for call in trace.calls(seen.backward)] == ["", "sides.left", "sides.right"]
    np.testing.assert_array_equal(seen.backward.shares["scales[0]"], model.scales[0].grad)
    forward, backward = (list(parts(items)) for _, _, items in seen.view().sections)
    labels = [row.label for _, row in forward]
    assert {"sides.left.x", "sides.right.x", "scaled.0"} < set(labels) and "sides.left" not in labels
    titles = {heading.title for heading, _ in backward}
    assert "Linear.backward, called as self.sides.left.backward" in titles
    [scale] = [row for _, row in backward if row.label == "scales.0"]
    assert scale.value is model.scales[0].value
    for path in ("sides.right", "sides['right']", 'cache.sides["right"].x'):
        assert "sides.right.x" in str(seen.view(path)) and "sides.left.x" not in str(seen.view(path))
    with pytest.raises(ValueError, match=re.escape("sides holds: sides.left, sides.right")):
        seen.view("sides.middle")


STOPS = ["sides.right.d_x", "sides['right'].backward.d_x", "Sides.self.scales[0].grad", "scales.0.grad"]


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_in_a_dict_of_layers(name, monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    model = Sides()
    with trace.stop_at(model, name, say=str) as stopped:
        y, cache = model.forward(np.ones((4, 3)))
        model.backward(np.ones_like(y), cache)
    assert [place.path for place in stopped] == ["" if "scales" in name else "sides.right"]
    with pytest.raises(ValueError, match="layers: left, model, right"):
        trace.stop_at(model, "middle").__enter__()


def test_importing_the_trace_loads_no_debugger():
    command = "import sys, minibert.trace; print(sorted({'bdb', 'pdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "[]\n"


def test_a_planted_mistake_is_traced_with_its_own_source():
    subject = example.by_hand()
    seen = trace.watch(museum.plant(subject.model, "transposed-key"), **subject.batch)
    assert "TransposedKey.backward" in str(seen)
    formula = r"\(query_heads.swapaxes\(-1, -2\) @ d_scores\).reshape\(key_heads.shape\) \* scale"
    assert re.search(rf"d_key_heads .*\n +{'='} {formula}", str(seen))


# --- lines --------------------------------------------------------------------------------------------------


def test_numbers_are_short():
    values = (0.0, 1.0, -0.5, 123.45678, 1e-4, -3.21e-17, 6.02e23, np.nan, -np.inf, np.int64(-100))
    texts = "0 1.0000 -0.5000 123.4568 1.0e-04 -3.2e-17 6.0e+23 nan -inf -100".split()
    assert [number(np.asarray(value)[()]) for value in values] == texts
    for power in range(-30, 30):
        for sign in (1, -1):
            assert len(number(np.float64(sign * 1.2345 * 10.0**power))) <= 9


def test_a_summary_leaves_out_what_is_masked():
    lowest = np.finfo(np.float64).min
    first = "  1.0000   3.0000 -1.8e+308"
    assert summary(np.array([1.0, 3.0, lowest])) == ("(3,)", "2.0000", "1.0000", first)
    assert summary(np.array([True, False])) == ("(2,)", "", "", "1 of 2 True")
    assert summary(np.array([4, 5])) == ("(2,)", "", "", "       4        5")
    assert summary(None) == ("", "", "", "None")


# --- what is not finite -------------------------------------------------------------------------------------


def watch_with(change):
    subject = example.by_hand()
    change(subject.model)
    return trace.watch(subject.model, **subject.batch)


def test_the_first_not_finite_is_named_where_it_began():
    def spoil(model):
        model.bert.encoder[1].attention.query.weight.value[0, 0] = np.nan

    cause = "bert.encoder.1.attention.query.weight"  # and not one of its effects
    assert watch_with(spoil).first_non_finite() == cause

    def overflow(model):
        model.bert.encoder[1].attention.query.weight.value[:] = 1e200
        model.bert.encoder[1].attention.key.weight.value[:] = 1e200

    seen = watch_with(overflow)
    local = "bert.encoder.1.attention.scores"  # which no cache keeps
    assert seen.first_non_finite() == local
    lines = str(seen.view("bert.encoder[1].attention")).splitlines()
    number = next(number for number, line in enumerate(lines) if "attention.probs  " in line)
    assert "NOT FINITE (" in lines[number + 1]
    assert watch_with(lambda model: None).first_non_finite() is None


def test_a_gradient_that_is_not_finite():
    def overflow(model):
        model.bert.pooler.dense.weight.value *= 1e-160
        model.nsp_head.weight.value *= 1e308

    seen = watch_with(overflow)
    assert seen.first_non_finite() == "bert.pooler.dense.d_weight"
    text = str(seen.view("bert.pooler.dense"))
    assert "dense.weight.grad " in text and "NOT FINITE (" in text


# --- HTML ---------------------------------------------------------------------------------------------------


class Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("model", [minibert.Linear, (len, len)])
def test_only_layers_are_watched(model):
    with pytest.raises(ValueError, match="watch needs a layer or a model, which has a forward and"):
        trace.watch(model, np.ones(2))


def test_html_is_the_same_tree(seen):
    page = seen._repr_html_()
    parser = Parser()
    parser.feed(page)
    assert parser.open == []  # every tag is closed
    tags = {tag for tag, _ in parser.tags}
    assert "script" not in tags and "link" not in tags and "img" not in tags
    names = {name for _, attributes in parser.tags for name in attributes}
    assert not any(name.startswith("on") or name in ("src", "href") for name in names)
    text = "".join(parser.text)
    for _, _, items in seen.view().sections:
        for heading, row in parts(items):
            assert heading.title in text and row.label in text
    rows = sum(1 for _, _, items in seen.view().sections for _ in parts(items))
    assert sum(tag == "tr" for tag, _ in parser.tags) == rows
    assert len(page) < 900_000


# --- examples and source ------------------------------------------------------------------------------------


def test_the_label_of_a_mask_is_the_models_guess():
    sentences = ["the dog sees a bird", "the bird sees the dog"]
    tokenizer = minibert.WordPieceTokenizer.train(sentences, vocab_size=40)
    config = minibert.BertConfig(
        tokenizer.vocab_size, hidden_size=6, num_attention_heads=3, intermediate_size=10, initializer_range=1
    )
    model = minibert.BertForPreTraining(config)
    subject = example.from_text(model, tokenizer, "the [MASK] sees a bird")
    [place] = subject.answers
    output, _ = model.forward(subject.batch["input_ids"])
    assert subject.batch["labels"][0, place] == output.prediction_logits[0, place].argmax()
    with pytest.raises(ValueError, match="has no word to mask"):
        example.from_text(model, tokenizer, "")


def test_source_of_code_without_source():
    names = {}
    exec("class Odd:\n    def forward(self, x):\n        y = x\n        return y, None\n", names)
    assert source.assignments(names["Odd"].forward) == []


def test_a_part_that_is_written_later_is_the_formula():
    pooler = minibert.models.bert.Pooler  # first np.zeros, then its row of [CLS]
    found = source.assignment_of(pooler.backward, "d_x")
    assert found.formula == "… d_x[:, 0] = d_first"


@pytest.mark.parametrize("name", ["record", "view", "stop"])
def test_the_examples_of_the_docstrings(name):
    module = importlib.import_module(f"minibert.trace.{name}")
    result = doctest.testmod(module, extraglobs={"minibert": minibert, "np": np, "steps": trace.steps})
    assert result.failed == 0
