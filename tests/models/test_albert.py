"""ALBERT: one layer for all passes, small embeddings, two tasks; checkpoints; wrong use."""

import copy
import json

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, A, B, F, H, T, V, grads, scrambled

import minibert as mb
from minibert import huggingface
from minibert.gradcheck.cases import albert as cases
from minibert.huggingface import CheckpointError, CheckpointWarning

E, LABELS, ORDER, TOKEN_TYPES = cases.E, cases.LABELS, cases.ORDER, cases.TOKEN_TYPES
NO_DROPOUT = {
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0,
}
BATCH = {
    "input_ids": INPUT_IDS, "token_type_ids": TOKEN_TYPES, "attention_mask": ATTENTION_MASK,
    "labels": LABELS, "sentence_order_label": ORDER,
}


def make(model_class=mb.AlbertForPreTraining, dtype=np.float64, **changes):
    return scrambled(model_class(cases.config(**NO_DROPOUT | changes), dtype=dtype))


@pytest.fixture(scope="module")
def model():
    return make()


def test_the_gradient_of_the_shared_layer_is_the_sum_over_untied_copies(model):
    """Beside L layers, each with weights of its own that are the same numbers."""
    output, cache = model.forward(**BATCH)
    model.zero_grad()
    model.backward(cache)
    mask = ATTENTION_MASK.astype(bool)[:, np.newaxis, np.newaxis, :]
    twin = copy.deepcopy(model)
    twin.zero_grad()
    copies = [copy.deepcopy(twin.albert.encoder) for _ in range(3)]
    embedded, _ = twin.albert.embeddings.forward(INPUT_IDS, TOKEN_TYPES)
    x, caches = twin.albert.projection.forward(embedded)[0], []
    for layer in copies:
        x, layer_cache = layer.forward(x, mask)
        caches.append(layer_cache)
    pooled, pooler_cache = twin.albert.pooler.forward(x)
    words, words_cache = twin.predictions.forward(x, LABELS)
    told, told_cache = twin.sop_head.forward(pooled, ORDER)
    assert output.loss == words.loss + told.loss
    d_x = twin.predictions.backward(words_cache)
    d_x = d_x + twin.albert.pooler.backward(twin.sop_head.backward(told_cache), pooler_cache)
    for layer, layer_cache in zip(copies[::-1], caches[::-1]):
        d_x = layer.backward(d_x, layer_cache)
    shares = [grads(layer) for layer in copies]
    for name, gradient in grads(model.albert.encoder).items():
        total, largest = sum(share[name] for share in shares), np.abs(gradient).max()
        assert np.abs(gradient - total).max() <= 1e-14 * max(largest, 1), name
    one, other = shares[0]["output_norm.gamma"], shares[2]["output_norm.gamma"]
    assert np.abs(one - other).max() > 0.01  # each pass has another share


def test_depth_costs_no_parameters_and_the_factors_cost_few():
    def count(**sizes):
        model = mb.AlbertModel(mb.AlbertConfig(1000, 40, num_attention_heads=4, intermediate_size=9, **sizes))
        return sum(parameter.value.size for parameter in model.parameters().values())

    assert count(num_hidden_layers=2) == count(num_hidden_layers=7)
    wide, narrow = count(embedding_size=40), count(embedding_size=5)
    rows = 1000 + 128 + 2 + 2  # tokens, positions, segments, and the two vectors of LayerNorm
    assert wide - narrow == 35 * (rows + 40)


def test_each_pass_reads_what_the_one_before_wrote(model):
    _, cache = model.albert.forward(INPUT_IDS)
    assert len(cache.encoder) == 3
    for before, after in zip(cache.encoder, cache.encoder[1:]):
        y = before.output_norm.normalized * model.albert.encoder.output_norm.gamma.value
        y = y + model.albert.encoder.output_norm.beta.value
        np.testing.assert_allclose(after.attention.query.x, y, rtol=0, atol=1e-13)


def test_logits_and_losses(model):
    output, _ = model.forward(**BATCH)
    everything, _ = model.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)
    assert everything.loss is None and everything.counts == {}
    assert everything.prediction_logits.shape == (B, T, V) and everything.sop_logits.shape == (B, 2)
    chosen = everything.prediction_logits[LABELS != -100]
    np.testing.assert_allclose(output.prediction_logits, chosen, rtol=0, atol=1e-12)
    assert output.counts == {"mlm": 8, "sop": 3}
    for logits, answers, loss in (
        (chosen, LABELS[LABELS != -100], output.mlm_loss),
        (everything.sop_logits[ORDER >= 0], ORDER[ORDER >= 0], output.sop_loss),
    ):
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(loss, -log_probs[np.arange(len(answers)), answers].mean(), rtol=1e-12)
    assert output.loss == output.mlm_loss + output.sop_loss


def test_padding_changes_nothing(model):
    for row in range(B):
        num_tokens = ATTENTION_MASK[row].sum()
        padded = model.albert.forward(INPUT_IDS, TOKEN_TYPES, ATTENTION_MASK)[0]
        few = slice(row, row + 1), slice(0, num_tokens)
        alone = model.albert.forward(INPUT_IDS[few], TOKEN_TYPES[few])[0]
        np.testing.assert_allclose(padded.last_hidden_state[few], alone.last_hidden_state, atol=1e-12)


def test_dropout_before_the_sentence_order():
    """Its probability is classifier_dropout; None is that of the states."""
    model = make(mb.AlbertForPreTraining, classifier_dropout=0.25)
    assert model.sop_head.dropout.probability == 0.25
    same = make(mb.AlbertForPreTraining, classifier_dropout=None, hidden_dropout_prob=0.4)
    assert same.sop_head.dropout.probability == 0.4


# --- checkpoints ---


@pytest.mark.parametrize("name", ["AlbertModel", "AlbertForPreTraining"])
def test_a_checkpoint_comes_back(name, tmp_path):
    model = make(getattr(mb, name), np.float32)
    model.save_pretrained(tmp_path)
    again = getattr(mb, name).from_pretrained(tmp_path)
    assert again.config == model.config
    for key, parameter in model.parameters().items():
        np.testing.assert_array_equal(parameter.value, again.parameters()[key].value, strict=True)
    content = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert content["model_type"] == "albert" and content["classifier_dropout_prob"] == 0.0
    assert content["embedding_size"] == E and content["num_hidden_groups"] == 1
    shapes = {key: array.shape for key, array in huggingface.state_dict(model).items()}
    prefix = "" if name == "AlbertModel" else "albert."
    layer = f"{prefix}encoder.albert_layer_groups.0.albert_layers.0"
    assert shapes[f"{prefix}encoder.embedding_hidden_mapping_in.weight"] == (H, E)
    assert shapes[f"{layer}.ffn.weight"] == (F, H) and shapes[f"{prefix}pooler.weight"] == (H, H)
    assert len(shapes) == len(model.parameters())
    if name == "AlbertForPreTraining":
        assert shapes["predictions.dense.weight"] == (E, H) and shapes["predictions.bias"] == (V,)
        assert shapes["sop_classifier.classifier.weight"] == (2, H)


def test_a_body_gets_new_heads(tmp_path):
    make(mb.AlbertModel, np.float32).save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning, match="newly initialised.*: predictions, sop_head"):
        mb.AlbertForPreTraining.from_pretrained(tmp_path)


def test_more_groups_of_layers_are_refused(tmp_path):
    make(dtype=np.float32).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(content | {"num_hidden_groups": 2}), "utf-8")
    with pytest.raises(CheckpointError, match="num_hidden_groups 2 is not supported, only 1"):
        mb.AlbertForPreTraining.from_pretrained(tmp_path)


# --- wrong use ---


def test_a_configuration_has_the_defaults_of_albert():
    config = mb.AlbertConfig(V)
    assert config.hidden_act == "gelu_new"
    assert (config.hidden_dropout_prob, config.classifier_dropout) == (0.0, 0.1)
    with pytest.raises(ValueError, match="embedding_size must be a positive integer, got 0"):
        mb.AlbertConfig(V, H, 2, A, F, embedding_size=0)


@pytest.mark.parametrize("options, message", [
    ({"labels": np.zeros((B, T + 1), int)}, r"labels has shape \(4, 6\), expected \(4, 5\)"),
    ({"sentence_order_label": np.zeros(3, int)}, r"sentence_order_label has shape \(3,\), expected \(4,\)"),
    ({"sentence_order_label": np.full(B, 2)}, "label 2 is none of the 2 labels"),
])
def test_wrong_arguments(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.forward(INPUT_IDS, **options)


def test_no_labels_no_loss(model):
    _, cache = model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match="give forward labels, sentence_order_label or both"):
        model.backward(cache)
