"""BERT: what it computes, what it says when it is used wrongly, and what gradient checks cannot see."""

import copy
import math
import pprint
import re
import sys

import numpy as np
import pytest
from helpers import (
    ATTENTION_MASK,
    INPUT_IDS,
    A,
    B,
    D,
    F,
    H,
    T,
    V,
    assert_all_close,
    assert_same,
    gradients_of,
    grads,
    random,
    sampled,
    scrambled,
    values,
)

import minibert as mb
from minibert.layers import GELU, TanhGELU
from minibert.models.bert import BertConfig, BertForPreTraining, BertModel
from minibert.trace import first_non_finite, tensors

SIZES = {
    "vocab_size": V,
    "hidden_size": H,
    "num_hidden_layers": 2,
    "num_attention_heads": A,
    "intermediate_size": F,
    "max_position_embeddings": 9,
}
TOKEN_TYPES = np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])
LABELS = np.array([[-100, 5, 0, 4, -100], [-100, 6, 7, -100, -100], [-100] * 5, [-100, 8, 1, 5, -100]])
M = 8  # predicted tokens
NEXT = np.array([0, 1, 1, 0])
BATCH = {
    "input_ids": INPUT_IDS,
    "token_type_ids": TOKEN_TYPES,
    "attention_mask": ATTENTION_MASK,
    "labels": LABELS,
    "next_sentence_label": NEXT,
}

LINEAR_LAYERS = ["query", "key", "value", "output"]
ENCODER_LAYER = [
    *(f"attention.{name}.{kind}" for name in LINEAR_LAYERS for kind in ("weight", "bias")),
    "attention_norm.gamma",
    "attention_norm.beta",
    *(f"feed_forward.{name}.{kind}" for name in ("intermediate", "output") for kind in ("weight", "bias")),
    "output_norm.gamma",
    "output_norm.beta",
]
BERT_NAMES = [
    "embeddings.token.weight",
    "embeddings.position.weight",
    "embeddings.segment.weight",
    "embeddings.norm.gamma",
    "embeddings.norm.beta",
    *(f"encoder.{index}.{name}" for index in range(2) for name in ENCODER_LAYER),
    "pooler.dense.weight",
    "pooler.dense.bias",
]
HEAD_NAMES = [
    "mlm_head.dense.weight",
    "mlm_head.dense.bias",
    "mlm_head.norm.gamma",
    "mlm_head.norm.beta",
    "mlm_head.decoder.bias",
    "nsp_head.weight",
    "nsp_head.bias",
]


def config(**changes):
    return BertConfig(**{**SIZES, **changes})


def pretraining_model(dtype=np.float64, **changes):
    return scrambled(BertForPreTraining(config(**changes), dtype=np.float64)).astype(dtype)


def encoder_model():
    return scrambled(BertModel(config(), dtype=np.float64))


# --- the configuration ---


def test_config_defaults():
    small = mb.BertConfig(vocab_size=30)
    assert (small.hidden_size, small.num_hidden_layers) == (128, 2)
    assert (small.num_attention_heads, small.intermediate_size) == (2, 512)
    assert small.hidden_act == "gelu"
    assert (small.hidden_dropout_prob, small.attention_probs_dropout_prob) == (0.1, 0.1)
    assert (small.max_position_embeddings, small.type_vocab_size) == (128, 2)
    assert (small.initializer_range, small.layer_norm_eps) == (0.02, 1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hidden_size": 130, "num_attention_heads": 4},
            "hidden_size 130 is not divisible by num_attention_heads 4",
        ),
        ({"vocab_size": 0}, "vocab_size must be a positive integer, got 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must be a positive integer, got -1"),
        ({"intermediate_size": 2.0}, "intermediate_size must be a positive integer, got 2.0"),
        ({"type_vocab_size": "2"}, "type_vocab_size must be a positive integer, got '2'"),
        ({"max_position_embeddings": None}, "max_position_embeddings must be a positive integer, got None"),
        ({"num_attention_heads": True}, "num_attention_heads must be a positive integer, got True"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob must be at least 0 and below 1, got 1.0"),
        (
            {"attention_probs_dropout_prob": -0.1},
            "attention_probs_dropout_prob must be at least 0 and below 1, got -0.1",
        ),
        ({"hidden_dropout_prob": math.nan}, "hidden_dropout_prob must be at least 0 and below 1, got nan"),
        ({"initializer_range": 0.0}, "initializer_range must be above 0, got 0.0"),
        ({"layer_norm_eps": -1e-12}, "layer_norm_eps must be above 0, got -1e-12"),
        ({"hidden_act": "mish"}, "hidden_act 'mish' is not supported: choose one of ['gelu', "),
    ],
)
def test_config_says_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        config(**changes)


def test_config_takes_numpy_integers_and_cannot_be_changed():
    assert config(vocab_size=np.int64(30)).vocab_size == 30
    with pytest.raises(AttributeError):
        config().hidden_size = 12


# --- what is computed, against the formulas of the paper written down once more ---


def reference_norm(x, parameters, name, eps=1e-12):
    normalized = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return parameters[f"{name}.gamma"] * normalized + parameters[f"{name}.beta"]


def reference_linear(x, parameters, name):
    return np.einsum("...i,io->...o", x, parameters[f"{name}.weight"]) + parameters[f"{name}.bias"]


def reference_gelu(x):
    return x * 0.5 * np.vectorize(math.erfc)(-x / math.sqrt(2))


def reference_tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def reference_bert(model, gelu=reference_gelu):
    """All that BertForPreTraining computes without dropout on BATCH, from its parameters' values alone."""
    parameters = {name.removeprefix("bert."): value for name, value in values(model).items()}
    hidden = (
        parameters["embeddings.token.weight"][INPUT_IDS]
        + parameters["embeddings.position.weight"][:T]
        + parameters["embeddings.segment.weight"][TOKEN_TYPES]
    )
    hidden = reference_norm(hidden, parameters, "embeddings.norm")
    for index in range(2):
        layer = f"encoder.{index}"
        heads = {
            name: reference_linear(hidden, parameters, f"{layer}.attention.{name}").reshape(B, T, A, D)
            for name in ("query", "key", "value")
        }
        weights = np.exp(np.einsum("btad,bsad->bats", heads["query"], heads["key"]) / math.sqrt(D))
        weights = weights * ATTENTION_MASK[:, None, None, :]
        weights = weights / weights.sum(axis=-1, keepdims=True)
        attention = np.einsum("bats,bsad->btad", weights, heads["value"]).reshape(B, T, H)
        attention = reference_linear(attention, parameters, f"{layer}.attention.output")
        attended = reference_norm(hidden + attention, parameters, f"{layer}.attention_norm")
        intermediate = gelu(reference_linear(attended, parameters, f"{layer}.feed_forward.intermediate"))
        feed_forward = reference_linear(intermediate, parameters, f"{layer}.feed_forward.output")
        hidden = reference_norm(attended + feed_forward, parameters, f"{layer}.output_norm")
    pooled = np.tanh(reference_linear(hidden[:, 0], parameters, "pooler.dense"))
    activated = gelu(reference_linear(hidden, parameters, "mlm_head.dense"))
    transformed = reference_norm(activated, parameters, "mlm_head.norm")
    decoder_weight = parameters["embeddings.token.weight"].T
    prediction_logits = transformed @ decoder_weight + parameters["mlm_head.decoder.bias"]
    return hidden, pooled, prediction_logits, reference_linear(pooled, parameters, "nsp_head")


@pytest.mark.parametrize("hidden_act, gelu", [("gelu", reference_gelu), ("gelu_new", reference_tanh_gelu)])
def test_equals_the_formulas_of_the_paper(hidden_act, gelu):
    model = pretraining_model(hidden_act=hidden_act)
    hidden, pooled, prediction_logits, seq_relationship_logits = reference_bert(model, gelu)
    encoded, _ = model.bert.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    np.testing.assert_allclose(encoded.last_hidden_state, hidden, atol=1e-12)
    np.testing.assert_allclose(encoded.pooler_output, pooled, atol=1e-12)
    output, _ = model.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    np.testing.assert_allclose(output.prediction_logits, prediction_logits, atol=1e-12)
    np.testing.assert_allclose(output.seq_relationship_logits, seq_relationship_logits, atol=1e-12)


def test_losses_equal_their_formulas():
    model = pretraining_model()
    output, _ = model.forward(**BATCH)
    _, _, prediction_logits, seq_relationship_logits = reference_bert(model)

    def surprise(logits, label):
        return math.log(sum(math.exp(logit) for logit in logits)) - logits[label]

    predicted = [(b, t) for b in range(B) for t in range(T) if LABELS[b, t] != -100]
    mlm_loss = sum(surprise(prediction_logits[place], LABELS[place]) for place in predicted) / M
    nsp_loss = sum(surprise(seq_relationship_logits[b], NEXT[b]) for b in range(B)) / B
    assert output.mlm_loss == pytest.approx(mlm_loss, rel=1e-12)
    assert output.nsp_loss == pytest.approx(nsp_loss, rel=1e-12)
    assert output.loss == output.mlm_loss + output.nsp_loss


def test_sizes_of_the_config_reach_the_layers():
    rates = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3}
    bert = BertModel(config(layer_norm_eps=1e-5, type_vocab_size=4, **rates))
    layer = bert.encoder[1]
    assert len(bert.encoder) == 2
    assert bert.embeddings.norm.eps == layer.attention_norm.eps == layer.output_norm.eps == 1e-5
    for dropout in (bert.embeddings.dropout, layer.attention_dropout, layer.output_dropout):
        assert dropout.probability == 0.2
    assert layer.attention.dropout.probability == 0.3
    assert layer.attention.num_heads == A
    shapes = {name: parameter.value.shape for name, parameter in bert.parameters().items()}
    assert shapes["embeddings.token.weight"] == (V, H)
    assert shapes["embeddings.position.weight"] == (9, H)
    assert shapes["embeddings.segment.weight"] == (4, H)
    assert shapes["encoder.0.feed_forward.intermediate.weight"] == (H, F)


@pytest.mark.parametrize("hidden_act, activation", [("gelu", GELU), ("gelu_new", TanhGELU)])
def test_the_mlm_head_has_the_same_activation(hidden_act, activation):
    model = BertForPreTraining(config(hidden_act=hidden_act, layer_norm_eps=1e-5))
    assert type(model.mlm_head.activation) is activation
    assert type(model.bert.encoder[0].feed_forward.activation) is activation
    assert model.mlm_head.norm.eps == 1e-5


# --- inputs and outputs ---


def test_shapes_with_and_without_labels():
    model = pretraining_model()
    output, _ = model.forward(INPUT_IDS)
    assert output.prediction_logits.shape == (B, T, V)
    assert output.seq_relationship_logits.shape == (B, 2)
    assert (output.loss, output.mlm_loss, output.nsp_loss) == (None, None, None)
    output, _ = model.forward(INPUT_IDS, labels=LABELS)
    assert output.prediction_logits.shape == (M, V)
    encoded, _ = model.bert.forward(INPUT_IDS)
    assert encoded.last_hidden_state.shape == (B, T, H)
    assert encoded.pooler_output.shape == (B, H)


def test_predictions_stand_in_the_order_of_the_labels():
    model = pretraining_model()
    all_logits = model.forward(INPUT_IDS)[0].prediction_logits
    output, cache = model.forward(INPUT_IDS, labels=LABELS)
    np.testing.assert_allclose(output.prediction_logits, all_logits[LABELS != -100], atol=1e-12)
    assert cache.predicted.tolist() == [1, 2, 3, 6, 7, 16, 17, 18]


def test_which_losses_there_are():
    model = pretraining_model()
    both, _ = model.forward(**BATCH)
    only_mlm, _ = model.forward(**{**BATCH, "next_sentence_label": None})
    only_nsp, _ = model.forward(**{**BATCH, "labels": None})
    assert only_mlm.loss == only_mlm.mlm_loss == both.mlm_loss
    assert only_mlm.nsp_loss is None
    assert only_nsp.loss == only_nsp.nsp_loss == both.nsp_loss
    assert only_nsp.mlm_loss is None
    assert both.loss == both.mlm_loss + both.nsp_loss


def test_gradients_of_the_sum_are_the_sum_of_the_gradients():
    model = pretraining_model()
    both = gradients_of(model, **BATCH)
    only_mlm = gradients_of(model, **{**BATCH, "next_sentence_label": None})
    only_nsp = gradients_of(model, **{**BATCH, "labels": None})
    assert_all_close(both, {name: only_mlm[name] + only_nsp[name] for name in both})
    assert not any(only_nsp[name].any() for name in both if name.startswith("mlm_head"))
    assert not any(only_mlm[name].any() for name in both if name.startswith(("nsp_head", "bert.pooler")))


def test_d_loss_multiplies_the_gradients():
    model = pretraining_model()
    once = gradients_of(model, **BATCH)
    model.zero_grad()
    _, cache = model.forward(**BATCH)
    d_embeddings = model.backward(cache, d_loss=-2.5)
    assert d_embeddings.shape == (B, T, H)
    assert_all_close(grads(model), {name: -2.5 * grad for name, grad in once.items()})


def test_backward_without_a_loss():
    model = pretraining_model()
    _, cache = model.forward(INPUT_IDS)
    message = "no loss to go back from: give forward labels, next_sentence_label or both"
    with pytest.raises(ValueError, match=message):
        model.backward(cache)


def test_nothing_to_predict():
    model = pretraining_model()
    output, cache = model.forward(INPUT_IDS, labels=np.full((B, T), -100))
    assert output.prediction_logits.shape == (0, V)
    assert output.loss == output.mlm_loss == 0
    assert not model.backward(cache).any()
    assert not any(grad.any() for grad in grads(model).values())


def test_label_zero_is_a_class():
    model = pretraining_model()
    zeros, _ = model.forward(INPUT_IDS, labels=np.zeros((B, T), int))
    assert zeros.prediction_logits.shape == (B * T, V)
    assert zeros.loss > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_everything_is_of_the_models_dtype(dtype):
    model = BertForPreTraining(config(), dtype=dtype)
    output, cache = model.forward(**BATCH, rng=np.random.default_rng(3))
    assert all(isinstance(loss, np.generic) for loss in (output.loss, output.mlm_loss, output.nsp_loss))
    assert all(array.dtype == dtype for array in output[:5])
    assert model.backward(cache).dtype == dtype
    for parameter in model.parameters().values():
        assert parameter.value.dtype == parameter.grad.dtype == dtype
    real = np.zeros(1, dtype).real.dtype
    assert all(array.dtype in (dtype, real) or array.dtype.kind in "bi" for _, array in tensors(cache))


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-4), (np.complex128, 1e-12)])
def test_dtypes_agree(dtype, tolerance):
    expected = gradients_of(pretraining_model(), **BATCH)
    model = pretraining_model(dtype)
    largest = max(np.abs(grad).max() for grad in expected.values())
    for name, grad in gradients_of(model, **BATCH).items():
        assert np.abs(grad - expected[name]).max() <= tolerance * largest, name


def test_nones_are_zeros_and_ones():
    model = pretraining_model()
    zeros, ones = np.zeros((B, T), int), np.ones((B, T), int)
    defaults = model.forward(INPUT_IDS)[0]
    same = model.forward(INPUT_IDS, zeros, ones)[0]
    assert np.array_equal(same.prediction_logits, defaults.prediction_logits)
    assert np.array_equal(same.seq_relationship_logits, defaults.seq_relationship_logits)
    for other in (model.forward(INPUT_IDS, ones)[0], model.forward(INPUT_IDS, zeros, ATTENTION_MASK)[0]):
        assert not np.allclose(other.prediction_logits, defaults.prediction_logits)


def test_lists_and_booleans_and_small_integers_will_do():
    model = pretraining_model()
    expected = gradients_of(model, **BATCH)
    as_lists = {name: array.tolist() for name, array in BATCH.items()}
    as_int8 = {name: array.astype(np.int8) for name, array in BATCH.items()}
    assert_same(gradients_of(model, **as_lists), expected)
    assert_same(gradients_of(model, **as_int8), expected)
    for dtype in (bool, np.float32):
        batch = {**BATCH, "attention_mask": ATTENTION_MASK.astype(dtype)}
        assert_same(gradients_of(model, **batch), expected)


def test_arguments_are_left_alone():
    model = pretraining_model()
    batch = copy.deepcopy(BATCH)
    gradients_of(model, **batch)
    assert_same(batch, BATCH)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_ids": INPUT_IDS.astype(float)}, "input_ids must be integers, got float64"),
        ({"input_ids": INPUT_IDS > 0}, "input_ids must be integers, got bool"),
        (
            {"input_ids": INPUT_IDS[0]},
            "input_ids must have the shape (batch, tokens) and hold at least one token, got (5,)",
        ),
        (
            {"input_ids": INPUT_IDS[:, :0]},
            "input_ids must have the shape (batch, tokens) and hold at least one token, got (4, 0)",
        ),
        ({"input_ids": INPUT_IDS + 2}, "id 11 at (1, 1) is outside the table of 11 rows (0 to 10)"),
        ({"input_ids": -INPUT_IDS}, "id -2 at (0, 0) is outside the table of 11 rows (0 to 10)"),
        (
            {"input_ids": np.zeros((1, 10), int)},
            "a sequence of 10 tokens is longer than max_position_embeddings 9: truncate it",
        ),
        ({"token_type_ids": TOKEN_TYPES + 1}, "id 2 at (0, 3) is outside the table of 2 rows (0 to 1)"),
        ({"token_type_ids": TOKEN_TYPES[:1]}, "token_type_ids has shape (1, 5), expected (4, 5)"),
        ({"token_type_ids": TOKEN_TYPES * 1.0}, "token_type_ids must be integers, got float64"),
        (
            {"attention_mask": ATTENTION_MASK[:, :4]},
            "attention_mask (4, 4) must have the shape of input_ids (4, 5)",
        ),
        (
            {"attention_mask": ATTENTION_MASK[:, None]},
            "attention_mask (4, 1, 5) must have the shape of input_ids (4, 5)",
        ),
        (
            {"attention_mask": np.ones((4, 2, 5, 4))},
            "attention_mask (4, 2, 5, 4) must have the shape of input_ids (4, 5), or (4, 5, 5) or (4, 1",
        ),
        (
            {"attention_mask": np.ones((4, 1, 1, 5))},
            "attention_mask of floats in four axes is added to the scores, as in transformers: give 0 where",
        ),
        ({"attention_mask": np.full((4, 5, 5), 2)}, "must hold 1 for tokens and 0 for padding and nothing"),
        ({"position_ids": TOKEN_TYPES[:3]}, "position_ids has shape (3, 5), expected (4, 5)"),
        (
            {"position_ids": TOKEN_TYPES * 9},
            "position_ids: id 9 at (0, 3) is outside the table of 9 rows (0 to 8); config.json says "
            "max_position_embeddings 9",
        ),
        ({"labels": LABELS[0]}, "labels has shape (5,), expected (4, 5)"),
        ({"labels": LABELS.astype(np.float32)}, "labels must be integers, got float32"),
        ({"labels": np.where(LABELS == 7, 11, LABELS)}, "label 11 is not a class (0 to 10) nor -100"),
        ({"labels": np.where(LABELS == 7, -1, LABELS)}, "label -1 is not a class (0 to 10) nor -100"),
        ({"next_sentence_label": NEXT + 1}, "label 2 is not a class (0 to 1) nor -100"),
        ({"next_sentence_label": NEXT[:1]}, "next_sentence_label has shape (1,), expected (4,)"),
        ({"next_sentence_label": NEXT[:, None]}, "next_sentence_label has shape (4, 1), expected (4,)"),
        ({"next_sentence_label": NEXT * 1.0}, "next_sentence_label must be integers, got float64"),
    ],
)
def test_wrong_inputs(changes, message):
    batch = {**BATCH, **changes}
    if "input_ids" in changes and changes["input_ids"].shape != INPUT_IDS.shape:
        batch = changes
    with pytest.raises(ValueError, match=re.escape(message)):
        pretraining_model().forward(**batch)


def test_a_model_of_one_segment_says_so():
    model = BertModel(BertConfig(**SIZES, type_vocab_size=1))
    message = "token_type_ids: id 1 at (0, 3) .*config.json says type_vocab_size 1: the model reads one text"
    with pytest.raises(ValueError, match=message.replace("(0, 3)", r"\(0, 3\)")):
        model.forward(INPUT_IDS, TOKEN_TYPES)


# --- masks and positions ---


@pytest.mark.parametrize("mask", [
    ATTENTION_MASK[:, None].repeat(T, axis=1),                              # (B, T, T)
    ATTENTION_MASK[:, None, None].astype(bool),                             # (B, 1, 1, T)
    ATTENTION_MASK[:, None, None].repeat(A, axis=1),                        # (B, A, 1, T)
    np.where(ATTENTION_MASK[:, None, None].repeat(T, axis=2), 0.0, -1e4),   # (B, 1, T, T), added
])
def test_a_mask_of_more_axes_that_says_the_same(mask):
    model = pretraining_model()
    expected, _ = model.forward(**BATCH)
    output, _ = model.forward(**{**BATCH, "attention_mask": mask})
    assert_same(output, expected)


def test_a_mask_that_hides_nothing_is_none():
    model = pretraining_model()
    expected, _ = model.forward(INPUT_IDS)
    for mask in (np.ones((B, T, T), int), np.zeros((B, 1, T, T))):  # the zeros are added
        assert_same(model.forward(INPUT_IDS, attention_mask=mask)[0], expected)


def test_padding_on_the_left_is_padding_on_the_right():
    """With positions counted from the first token, every token has the same output on either side."""
    model = pretraining_model()
    lengths = ATTENTION_MASK.sum(axis=1)
    right, _ = model.bert.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    moved = [
        np.stack([np.roll(row, T - n) for row, n in zip(array, lengths)])
        for array in (INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    ]
    positions = np.maximum(moved[2].cumsum(axis=1) - 1, 0)
    left, _ = model.bert.forward(*moved, position_ids=positions)
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(
            left.last_hidden_state[row, T - n :], right.last_hidden_state[row, :n], atol=1e-12
        )


def test_positions_given_as_they_are_change_nothing():
    model = pretraining_model()
    expected = gradients_of(model, **BATCH)
    for positions in (np.arange(T)[None], np.arange(T)[None].repeat(B, axis=0)):
        assert_all_close(gradients_of(model, **BATCH, position_ids=positions), expected)


def test_the_longest_sequence_is_allowed():
    assert pretraining_model().forward(np.zeros((1, 9), int))[0].prediction_logits.shape == (1, 9, V)


# --- padding, batches, dropout ---


def test_padding_changes_nothing():
    """[PAD] columns with attention_mask 0 change no other token's output, no loss and no gradient."""
    model = pretraining_model()
    output, _ = model.forward(**BATCH)
    gradients = gradients_of(model, **BATCH)
    fill = {"input_ids": 0, "token_type_ids": 0, "attention_mask": 0, "labels": -100}
    padded = {
        name: np.pad(BATCH[name], ((0, 0), (0, 3)), constant_values=value) for name, value in fill.items()
    }
    padded_output, _ = model.forward(**padded, next_sentence_label=NEXT)
    for array, padded_array in zip(output[:5], padded_output[:5]):
        np.testing.assert_allclose(padded_array, array, atol=1e-12)
    encoded, _ = model.bert.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    padded_encoded, _ = model.bert.forward(*[padded[name] for name in list(fill)[:3]])
    np.testing.assert_allclose(padded_encoded.last_hidden_state[:, :T], encoded.last_hidden_state, atol=1e-12)
    assert_all_close(gradients_of(model, **padded, next_sentence_label=NEXT), gradients)


def test_what_stands_under_the_padding_does_not_matter():
    model = pretraining_model()
    output, _ = model.forward(**BATCH)
    changed = np.where(ATTENTION_MASK == 1, INPUT_IDS, 6)
    changed_output, _ = model.forward(**{**BATCH, "input_ids": changed})
    for array, changed_array in zip(output, changed_output):
        assert np.array_equal(array, changed_array)


def test_sequences_do_not_see_each_other():
    model = pretraining_model()
    together = model.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)[0]
    for b in range(B):
        rows = slice(b, b + 1)
        alone = model.forward(INPUT_IDS[rows], TOKEN_TYPES[rows], ATTENTION_MASK[rows])[0]
        for name in ("prediction_logits", "seq_relationship_logits"):
            expected = getattr(together, name)[rows]
            np.testing.assert_allclose(getattr(alone, name), expected, atol=1e-12)


def test_order_of_the_batch_does_not_matter():
    model, order = pretraining_model(), [2, 0, 3, 1]
    together = model.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)[0]
    turned = model.forward(INPUT_IDS[order], TOKEN_TYPES[order], ATTENTION_MASK[order])[0]
    for name in ("prediction_logits", "seq_relationship_logits"):
        np.testing.assert_allclose(getattr(turned, name), getattr(together, name)[order], atol=1e-12)
    turned_batch = {name: array[order] for name, array in BATCH.items()}
    assert_all_close(gradients_of(model, **turned_batch), gradients_of(model, **BATCH))


def test_order_of_the_tokens_matters_and_every_token_sees_every_other():
    model = pretraining_model()
    before = model.bert.forward(INPUT_IDS)[0].last_hidden_state
    turned = model.bert.forward(INPUT_IDS[:, ::-1])[0].last_hidden_state
    assert not np.allclose(turned[:, ::-1], before)
    changed = INPUT_IDS.copy()
    changed[0, 4] = 5
    difference = np.abs(model.bert.forward(changed)[0].last_hidden_state - before).max(axis=-1)
    assert (difference[0] > 1e-6).all()
    assert not difference[1:].any()


def test_dropout_is_an_argument():
    model = pretraining_model()
    plain, again = model.forward(**BATCH)[0], model.forward(**BATCH)[0]
    dropped = model.forward(**BATCH, rng=np.random.default_rng(3))[0]
    same = model.forward(**BATCH, rng=np.random.default_rng(3))[0]
    other = model.forward(**BATCH, rng=np.random.default_rng(4))[0]
    assert plain.loss == again.loss
    assert dropped.loss == same.loss
    assert len({float(output.loss) for output in (plain, dropped, other)}) == 3


def test_dropout_is_the_same_in_every_dtype():
    losses = [
        pretraining_model(dtype).forward(**BATCH, rng=np.random.default_rng(3))[0].loss
        for dtype in (np.float32, np.float64, np.complex128)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[2].real == pytest.approx(losses[1], rel=1e-12)


def test_dropout_acts_in_every_place():
    """Embeddings, attention probabilities, and both sublayers of every layer: no two with the same mask."""
    model = pretraining_model(hidden_dropout_prob=0.4, attention_probs_dropout_prob=0.4)
    _, cache = model.forward(**BATCH, rng=np.random.default_rng(3))
    caches = [cache.bert.embeddings.dropout]
    for layer in cache.bert.encoder:
        caches += [layer.attention.dropout, layer.attention_dropout, layer.output_dropout]
    masks = [dropout.keep for dropout in caches]
    assert all((mask == 0).any() and (mask > 0).any() for mask in masks)
    assert len({mask.tobytes() for mask in masks}) == len(masks) == 7


# --- parameters, sharing, no hidden state ---


def test_names_of_the_parameters():
    model = BertForPreTraining(config())
    assert list(model.parameters()) == [f"bert.{name}" for name in BERT_NAMES] + HEAD_NAMES
    assert list(model.bert.parameters()) == BERT_NAMES
    assert "bert.encoder.1.attention.query.weight" in model.parameters()


def test_the_decoder_is_the_token_embedding():
    model = BertForPreTraining(config())
    assert model.mlm_head.decoder.weight is model.bert.embeddings.token.weight
    assert sum(value.shape == (V, H) for value in values(model).values()) == 1


def trained_one_step(model):
    gradients_of(model, **BATCH)
    mb.AdamW(model.parameters(), lr=0.1).step()
    return model


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.astype(np.float32),
        lambda model: model.astype(np.float64),
        lambda model: model.replica(),
        trained_one_step,
        lambda model: trained_one_step(model.replica()).astype(np.complex128),
    ],
    ids=["astype float32", "astype float64", "replica", "optimizer step", "all of them"],
)
def test_tied_weights_stay_tied(change):
    model = change(pretraining_model())
    assert model.mlm_head.decoder.weight is model.bert.embeddings.token.weight
    output, cache = model.forward(INPUT_IDS)
    change_of_row = random(H)
    model.bert.embeddings.token.weight.value[10] += change_of_row.astype(output.prediction_logits.dtype)
    difference = model.forward(INPUT_IDS)[0].prediction_logits - output.prediction_logits
    transformed = cache.mlm_head.decoder.x
    np.testing.assert_allclose(difference[..., 10], transformed @ change_of_row, atol=1e-5)
    assert not difference[..., :10].any()  # 10 is no token of the batch: only the decoder sees it


def test_a_replica_computes_the_same_and_has_gradients_of_its_own():
    model = pretraining_model()
    expected = gradients_of(model, **BATCH)
    replica = model.replica()
    assert not any(grad.any() for grad in grads(replica).values())
    assert_same(gradients_of(replica, **BATCH), expected)
    assert_same(grads(model), expected)
    before = model.forward(**BATCH)[0].loss
    model.bert.encoder[0].attention.key.weight.value[...] *= 2  # in place: the replica sees it
    assert replica.forward(**BATCH)[0].loss == model.forward(**BATCH)[0].loss != before


def test_replicas_of_half_the_batch_sum_to_the_whole():
    """What data parallelism relies on: each half weighted by its share of the predictions."""
    model = pretraining_model()
    whole = gradients_of(model, **{**BATCH, "next_sentence_label": None})
    total = {name: 0 for name in whole}
    for rows, share in ((slice(0, 2), 5 / 8), (slice(2, 4), 3 / 8)):
        replica = model.replica()
        _, cache = replica.forward(**{name: BATCH[name][rows] for name in list(BATCH)[:4]})
        replica.backward(cache, d_loss=share)
        total = {name: total[name] + grad for name, grad in grads(replica).items()}
    assert_all_close(total, whole)


def test_astype_is_a_copy():
    model = pretraining_model()
    expected = gradients_of(model, **BATCH)
    values_before = values(model)
    duplicate = model.astype(np.float64)
    assert duplicate.config == model.config
    assert_same(grads(duplicate), expected)
    trained_one_step(duplicate)
    duplicate.zero_grad()
    assert_same(values(model), values_before)
    assert_same(grads(model), expected)


def test_a_rebound_value_is_read_at_the_next_call():
    model = pretraining_model()
    before = model.forward(INPUT_IDS)[0].prediction_logits
    parameter = model.mlm_head.decoder.bias
    parameter.value = parameter.value + 3
    np.testing.assert_allclose(model.forward(INPUT_IDS)[0].prediction_logits, before + 3, atol=1e-12)


def test_zero_grad():
    model = pretraining_model()
    gradients_of(model, **BATCH)
    model.zero_grad()
    assert not any(grad.any() for grad in grads(model).values())


def test_backward_twice_adds_up():
    model = pretraining_model()
    _, cache = model.forward(**BATCH)
    d_embeddings = model.backward(cache)
    once = grads(model)
    assert np.array_equal(model.backward(cache), d_embeddings)
    for name, grad in grads(model).items():
        is_table = "embeddings" in name and not name.endswith(("gamma", "beta"))
        if is_table:  # adds token by token: the last bit may differ
            np.testing.assert_allclose(grad, 2 * once[name], rtol=1e-14, atol=1e-14)
        else:
            assert np.array_equal(grad, 2 * once[name]), name


def test_a_model_may_run_twice_before_backward():
    model = pretraining_model()
    second = {**BATCH, "input_ids": (INPUT_IDS + 1) % V, "next_sentence_label": 1 - NEXT}
    first, other = gradients_of(model, **BATCH), gradients_of(model, **second)
    model.zero_grad()
    caches = [model.forward(**batch)[1] for batch in (BATCH, second)]
    for cache in caches:
        model.backward(cache)
    assert_all_close(grads(model), {name: first[name] + other[name] for name in first})


def test_an_evaluation_pass_between_forward_and_backward_changes_nothing():
    model = pretraining_model()
    model.zero_grad()
    _, cache = model.forward(**BATCH, rng=np.random.default_rng(3))
    model.backward(cache)
    expected = grads(model)
    model.zero_grad()
    _, cache = model.forward(**BATCH, rng=np.random.default_rng(3))
    model.forward((INPUT_IDS + 1) % V, labels=LABELS)
    model.bert.forward(INPUT_IDS[:1, :3])
    model.backward(cache)
    assert_same(grads(model), expected)


def test_backward_leaves_the_cache_and_the_output_alone():
    model = pretraining_model()
    output, cache = model.forward(**BATCH, rng=np.random.default_rng(3))
    output_before, cache_before = copy.deepcopy(output), copy.deepcopy(cache)
    model.backward(cache)
    assert_same(dict(tensors(cache)), dict(tensors(cache_before)))
    assert_same(output._asdict(), output_before._asdict())


# --- BertModel's backward ---


def test_backward_of_the_encoder_takes_either_gradient_or_both():
    bert = encoder_model()
    output, cache = bert.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    d_hidden, d_pooled = random(B, T, H), random(B, H)
    d_embeddings, gradients = {}, {}
    for name, d_output in {
        "both": (d_hidden, d_pooled),
        "hidden": (d_hidden, None),
        "pooled": (None, d_pooled),
    }.items():
        bert.zero_grad()
        d_embeddings[name], gradients[name] = bert.backward(d_output, cache), grads(bert)
    total = d_embeddings["hidden"] + d_embeddings["pooled"]
    np.testing.assert_allclose(d_embeddings["both"], total, atol=1e-12)
    totals = {name: gradients["hidden"][name] + gradients["pooled"][name] for name in BERT_NAMES}
    assert_all_close(gradients["both"], totals)
    assert not gradients["hidden"]["pooler.dense.weight"].any()
    assert gradients["pooled"]["pooler.dense.weight"].any()
    assert output.last_hidden_state.shape == d_embeddings["both"].shape


def test_backward_of_the_encoder_without_any_gradient_is_zero():
    bert = encoder_model()
    _, cache = bert.forward(INPUT_IDS)
    assert not bert.backward((None, None), cache).any()
    assert not any(grad.any() for grad in grads(bert).values())


def test_backward_of_the_encoder_leaves_its_argument_alone():
    bert = encoder_model()
    _, cache = bert.forward(INPUT_IDS)
    d_hidden, d_pooled = random(B, T, H), random(B, H)
    bert.backward((d_hidden, d_pooled), cache)
    assert np.array_equal(d_hidden, random(B, T, H))
    assert np.array_equal(d_pooled, random(B, H))


# --- initial weights ---


def test_initial_weights():
    model = BertForPreTraining(BertConfig(vocab_size=500, hidden_size=64, intermediate_size=96))
    for name, parameter in model.parameters().items():
        value = parameter.value
        if name.endswith("weight"):
            assert np.abs(value).max() <= 0.04 * (1 + 1e-6), name
            if value.size > 4000:
                assert value.std() == pytest.approx(0.8796 * 0.02, rel=0.05), name
        elif name.endswith("gamma"):
            assert (value == 1).all(), name
        else:
            assert not value.any(), name


def test_no_two_weights_are_alike():
    model = BertForPreTraining(config())
    firsts = [
        parameter.value.flat[0] for name, parameter in model.parameters().items() if name.endswith("weight")
    ]
    assert len(set(firsts)) == len(firsts)


@pytest.mark.parametrize("model_class", [BertModel, BertForPreTraining])
def test_seeds(model_class):
    model, same, other = (values(model_class(config(), seed=seed)) for seed in (4, 4, 5))
    assert_same(model, same)
    differ = [name for name in model if not np.array_equal(model[name], other[name])]
    assert differ == [name for name in model if name.endswith("weight")]
    assert_same(values(model_class(config())), values(model_class(config(), seed=0)))


def test_the_seed_means_the_same_with_and_without_heads_and_in_every_dtype():
    model = BertForPreTraining(config(), seed=4)
    assert_same(values(model.bert), values(BertModel(config(), seed=4)))
    model_in_float64 = BertForPreTraining(config(), seed=4, dtype=np.float64)
    assert_same(values(model.astype(np.float64)), values(model_in_float64))


@pytest.mark.parametrize("seed", range(3))
def test_the_first_loss_is_that_of_guessing(seed):
    big = BertConfig(vocab_size=200, hidden_size=32, intermediate_size=64)
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 200, (8, 16))
    next_sentence_label = generator.integers(0, 2, 8)
    output, _ = BertForPreTraining(big, seed).forward(
        ids, labels=ids, next_sentence_label=next_sentence_label
    )
    assert output.mlm_loss == pytest.approx(math.log(200), abs=0.1)
    assert output.nsp_loss == pytest.approx(math.log(2), abs=0.02)


# --- training ---


def test_every_parameter_receives_a_gradient_and_moves():
    """Except the key bias (softmax does not see a shift of a row) and rows that are not looked up."""
    model = pretraining_model()
    before = values(model)
    gradients = gradients_of(model, **BATCH)
    mb.AdamW(model.parameters(), lr=0.1, eps=1e-12, weight_decay=0.0).step()
    for name, parameter in model.parameters().items():
        grad, moved = gradients[name], parameter.value != before[name]
        if name.endswith("key.bias"):
            weight_grad = gradients[name.replace("bias", "weight")]
            assert np.abs(grad).max() < 1e-14 * np.abs(weight_grad).max(), name
        elif name == "bert.embeddings.position.weight":
            assert grad[:T].all() and moved[:T].all()
            assert not grad[T:].any() and not moved[T:].any()
        else:
            assert grad.all() and moved.all(), name


def test_a_decoder_share_reaches_tokens_that_are_not_in_the_batch():
    gradients = gradients_of(pretraining_model(), **BATCH)
    absent = sorted(set(range(V)) - set(INPUT_IDS.flat))
    assert gradients["bert.embeddings.token.weight"][absent].all()
    only_nsp = gradients_of(pretraining_model(), **{**BATCH, "labels": None})
    assert not only_nsp["bert.embeddings.token.weight"][absent].any()


def test_a_small_step_lowers_the_loss_by_its_length_times_the_gradient():
    model = pretraining_model()
    before = model.forward(**BATCH)[0].loss
    gradients = gradients_of(model, **BATCH)
    squared_length = sum((grad * grad).sum() for grad in gradients.values())
    step = 1e-7 / squared_length
    for name, parameter in model.parameters().items():
        parameter.value -= step * gradients[name]
    assert before - model.forward(**BATCH)[0].loss == pytest.approx(1e-7, rel=1e-3)


@pytest.mark.parametrize("hidden_act", sampled(["gelu", "gelu_new"], every=2))
def test_the_model_learns_one_batch_by_heart(hidden_act):
    generator = np.random.default_rng(1)
    sizes = {
        "vocab_size": 30,
        "hidden_size": 32,
        "intermediate_size": 64,
        "max_position_embeddings": 12,
        "hidden_act": hidden_act,
    }
    ids = generator.integers(5, 30, (4, 12))
    chosen = generator.random(ids.shape) < 0.3
    batch = {
        "input_ids": np.where(chosen, 4, ids),
        "token_type_ids": np.repeat([[0] * 6 + [1] * 6], 4, axis=0),
        "labels": np.where(chosen, ids, -100),
        "next_sentence_label": generator.integers(0, 2, 4),
    }
    model = BertForPreTraining(BertConfig(**sizes))
    optimizer = mb.AdamW(model.parameters(), lr=1e-2)
    first = model.forward(**batch)[0].loss
    for _ in range(60):
        gradients_of(model, **batch)
        optimizer.step()
    assert first > 3
    assert model.forward(**batch)[0].loss < 0.01


# --- the record ---


def test_the_attention_map_is_where_it_is_said_to_be():
    _, cache = pretraining_model().forward(**BATCH)
    probs = cache.bert.encoder[1].attention.probs
    assert probs.shape == (B, A, T, T)
    np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-14)
    assert not probs[1, :, :, 3:].any()
    assert not np.allclose(probs, cache.bert.encoder[0].attention.probs)


def test_the_record_of_twelve_layers_prints_short_and_without_numbers():
    model = BertForPreTraining(config(num_hidden_layers=12))
    output, cache = model.forward(**BATCH)
    for show in (repr, str, pprint.pformat):
        for item in (cache, cache.bert, cache.bert.encoder[11], cache.bert.encoder[11].attention, output):
            assert len(show(item)) < 1200
            assert len(show(item).split("\n")) <= 14
            assert not re.search(r"\d\.\d|array|\[\[", show(item))
    assert repr(output).split("\n")[1].split() == ["loss", "float32", "()"]
    assert "[12 x EncoderLayerCache(" in repr(cache.bert)
    assert re.search(r"probs +float32 \(4, 2, 5, 5\)", repr(cache.bert.encoder[11].attention))


def test_five_frames_from_the_model_to_the_softmax():
    stacks = []

    def record(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "softmax":
            names = []
            while frame.f_code is not BertForPreTraining.forward.__code__:
                names.append(frame.f_code.co_qualname)
                frame = frame.f_back
            stacks.append([*reversed(names)])

    model = pretraining_model()
    previous = sys.getprofile()
    sys.setprofile(record)
    try:
        model.forward(**BATCH)
    finally:
        sys.setprofile(previous)
    assert stacks == 2 * [
        ["BertModel.forward", "EncoderLayer.forward", "MultiHeadAttention.forward", "softmax"]
    ]


# --- trace ---


def test_paths_of_the_trace_can_be_typed():
    _, cache = pretraining_model().forward(**BATCH, rng=np.random.default_rng(3))
    paths = [path for path, _ in tensors(cache)]
    assert len(set(paths)) == len(paths) > 50
    for path, array in tensors(cache):
        assert eval(path, {"cache": cache}) is array
    assert "cache.bert.encoder[1].attention.probs" in paths
    assert "cache.mlm_head.norm.normalized" in paths


def test_the_trace_of_a_part():
    _, cache = pretraining_model().forward(**BATCH)
    layer = cache.bert.encoder[0]
    assert [path for path, _ in tensors(layer.attention_norm, "layer")] == [
        "layer.normalized",
        "layer.inverse_std",
    ]
    assert dict(tensors(layer.feed_forward))["cache.activation.cdf"] is layer.feed_forward.activation.cdf


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_first_non_finite_names_the_parameter(bad):
    model = pretraining_model()
    _, cache = model.forward(**BATCH)
    assert first_non_finite(model, cache) is None
    model.bert.encoder[1].feed_forward.output.weight.value[2, 3] = bad
    model.mlm_head.decoder.bias.value[4] = bad
    assert first_non_finite(model, cache) == "bert.encoder.1.feed_forward.output.weight"


@pytest.mark.parametrize(
    "path",
    [
        "cache.bert.embeddings.norm.inverse_std",
        "cache.bert.encoder[1].attention.query_heads",
        "cache.bert.encoder[1].output_norm.normalized",
        "cache.mlm_loss.probs",
    ],
)
def test_first_non_finite_names_the_activation(path):
    model = pretraining_model()
    _, cache = model.forward(**BATCH)
    cache.nsp_loss.probs[...] = np.inf  # later than all of them
    dict(tensors(cache))[path].flat[-1] = np.nan
    assert first_non_finite(model, cache) == path


@pytest.mark.parametrize(
    ("parameter", "path"),
    [
        ("bert.embeddings.norm.gamma", "cache.bert.encoder[0].attention.query.x"),
        ("bert.encoder.0.attention.query.weight", "cache.bert.encoder[0].attention.query_heads"),
        ("bert.encoder.1.attention.value.weight", "cache.bert.encoder[1].attention.value_heads"),
        ("bert.encoder.0.attention_norm.gamma", "cache.bert.encoder[0].feed_forward.intermediate.x"),
        (
            "bert.encoder.1.feed_forward.intermediate.weight",
            "cache.bert.encoder[1].feed_forward.activation.x",
        ),
        ("mlm_head.dense.weight", "cache.mlm_head.activation.x"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_first_non_finite_names_where_an_overflow_began(parameter, path):
    """A parameter of 3e38 is finite in float32; the first array that is not is its product with something."""
    model = pretraining_model(np.float32)
    model.parameters()[parameter].value[...] = 3e38
    _, cache = model.forward(**BATCH)
    assert first_non_finite(model, cache) == path
