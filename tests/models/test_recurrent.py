"""Recurrent language models: state, the future, padding, dropout, tied weights, files, wrong input."""

import numpy as np
import pytest
from helpers import INPUT_IDS, B, T, V, gradients_of, random, scrambled

import minibert as mb
from minibert import huggingface

D, H = 3, 2
LABELS = np.where(INPUT_IDS > 0, (INPUT_IDS + 1) % V, -100)
SIZES = {"vocab_size": V, "embedding_size": D, "hidden_size": H, "num_hidden_layers": 2}
RATES = ("embedding_dropout_prob", "input_dropout_prob", "hidden_dropout_prob", "output_dropout_prob",
         "weight_dropout_prob")


def model(name, dtype=np.float64, **changes):
    config = mb.AWDLSTMConfig if name.startswith("AWD") else mb.LSTMConfig
    return scrambled(getattr(mb, name)(config(**{**SIZES, **changes}), dtype=dtype))


@pytest.fixture(params=["RNNLanguageModel", "LSTMLanguageModel", "AWDLSTMLanguageModel"])
def name(request):
    return request.param


def test_shapes_and_loss(name):
    output, _ = model(name).forward(INPUT_IDS)
    assert output.logits.shape == (B, T, V) and output.loss is None and len(output.state) == 2
    with_labels, _ = model(name).forward(INPUT_IDS, labels=LABELS)
    predicted = LABELS >= 0
    np.testing.assert_allclose(with_labels.logits, output.logits[predicted], atol=1e-14)
    log_totals = np.log(np.exp(with_labels.logits).sum(axis=1))
    losses = log_totals - with_labels.logits[np.arange(predicted.sum()), LABELS[predicted]]
    assert with_labels.loss == with_labels.next_loss == pytest.approx(losses.mean(), abs=1e-14)
    assert with_labels.counts == {"next": predicted.sum()}


def test_two_halves_with_carried_state_are_one_pass(name):
    language_model = model(name)
    whole, _ = language_model.forward(INPUT_IDS)
    first, _ = language_model.forward(INPUT_IDS[:, :2])
    second, _ = language_model.forward(INPUT_IDS[:, 2:], state=first.state)
    np.testing.assert_allclose(np.hstack([first.logits, second.logits]), whole.logits, atol=1e-14)
    alone, _ = language_model.forward(INPUT_IDS[:, 2:])
    assert np.abs(alone.logits - second.logits).max() > 1e-3


def test_no_answer_depends_on_a_later_token(name):
    language_model = model(name)
    output, cache = language_model.forward(INPUT_IDS)
    changed = INPUT_IDS.copy()
    changed[:, 3:] = 5
    other, _ = language_model.forward(changed)
    assert np.array_equal(output.logits[:, :3], other.logits[:, :3])
    labels = np.full_like(LABELS, -100)
    labels[:, 2] = 4
    _, cache = language_model.forward(INPUT_IDS, labels=labels)
    d_embedded = language_model.backward(cache)
    assert not d_embedded[:, 3:].any() and d_embedded[:, :3].all()


def test_padding_changes_nothing(name):
    """Rows are as they would be alone and without their padding: loss and gradients."""
    together = gradients_of(model(name), input_ids=INPUT_IDS, labels=LABELS)
    added = {key: 0 for key in together}
    for ids, labels in zip(INPUT_IDS, LABELS):
        length = np.count_nonzero(labels >= 0)
        alone = {"input_ids": ids[np.newaxis, :length], "labels": labels[np.newaxis, :length]}
        share = gradients_of(model(name), **alone)
        added = {key: added[key] + share[key] * length / (LABELS >= 0).sum() for key in added}
    for key, gradient in together.items():
        np.testing.assert_allclose(gradient, added[key], atol=1e-14, err_msg=key)


# --- dropout ---


@pytest.mark.parametrize("rate", RATES)
def test_each_rate_of_an_awd_lstm_drops_something_of_its_own(rate):
    others = dict.fromkeys(RATES, 0.0)
    awd = model("AWDLSTMLanguageModel", **{**others, rate: 0.4})
    plain, _ = awd.forward(INPUT_IDS, rng=None)
    output, cache = awd.forward(INPUT_IDS, rng=np.random.default_rng(3))
    assert np.abs(output.logits - plain.logits).max() > 1e-3
    dropped = {
        "embedding_dropout_prob": cache.embedding.dropout.keep,
        "weight_dropout_prob": cache.layers[1].weight_dropout.keep,
        **{name: record.dropout.keep for name, record in zip(RATES[1:4], cache.dropouts)},
    }
    assert [name for name, keep in dropped.items() if keep is not None and not keep.all()] == [rate]


def test_a_dropped_word_is_gone_everywhere_but_in_the_decoder():
    awd = model("AWDLSTMLanguageModel", **{**dict.fromkeys(RATES, 0.0), "embedding_dropout_prob": 0.4})
    _, cache = awd.forward(INPUT_IDS, labels=LABELS, rng=np.random.default_rng(3))
    dropped = cache.embedding.row_scales[:, 0] == 0
    assert dropped[7] and not dropped.all()  # 7 occurs three times
    d_embedded = awd.backward(cache)
    assert d_embedded[INPUT_IDS == 7].any()
    with_decoder = awd.embedding.weight.grad.copy()
    awd.zero_grad()
    awd.embedding.backward(d_embedded, cache.embedding)
    assert not awd.embedding.weight.grad[7].any() and with_decoder[7].any()


def test_a_tied_decoder_is_the_embedding():
    assert model("AWDLSTMLanguageModel").decoder.weight is not None
    for tied in (model("AWDLSTMLanguageModel"),
                 model("LSTMLanguageModel", embedding_size=H, tie_word_embeddings=True)):
        assert tied.decoder.weight is tied.embedding.weight
    assert model("LSTMLanguageModel").decoder.weight.value.shape == (V, H)


# --- files ---


@pytest.mark.parametrize("changes", [{}, {"embedding_size": H, "tie_word_embeddings": True}])
def test_saved_and_loaded_it_is_the_same(name, changes, tmp_path):
    if name.startswith("AWD") and changes:
        pytest.skip("always tied")
    saved = model(name, np.float32, **changes)
    saved.save_pretrained(tmp_path)
    loaded = type(saved).from_pretrained(tmp_path)
    assert loaded.config == saved.config
    for path, parameter in loaded.parameters().items():
        assert np.array_equal(parameter.value, saved.parameters()[path].value)


def test_names_are_those_of_pytorch():
    arrays = huggingface.state_dict(model("LSTMLanguageModel"))
    assert arrays["rnn.weight_ih_l0"].shape == (4 * H, D) and arrays["rnn.weight_ih_l1"].shape == (4 * H, H)
    assert arrays["encoder.weight"].shape == (V, D) and arrays["decoder.weight"].shape == (V, H)
    arrays = huggingface.state_dict(model("AWDLSTMLanguageModel"))
    assert arrays["rnns.1.module.weight_hh_l0_raw"].shape == (4 * D, D) and "decoder.weight" not in arrays
    assert huggingface.state_dict(model("RNNLanguageModel"))["rnn.weight_hh_l1"].shape == (H, H)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    model("LSTMLanguageModel", np.float32).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text("utf-8").replace('"embedding_size": 3', '"embedding_size": 4'), "utf-8")
    message = r"encoder.weight' in .* has shape \(11, 3\), but .* must be \(11, 4\)"
    with pytest.raises(mb.files.CheckpointError, match=message):
        mb.LSTMLanguageModel.from_pretrained(tmp_path)


# --- wrong input ---


@pytest.mark.parametrize("given, message", [
    ({"input_ids": random(B, T)}, "input_ids must be integers, got float64"),
    ({"input_ids": INPUT_IDS[0]}, r"must have the shape \(batch, tokens\) .* got \(5,\)"),
    ({"input_ids": INPUT_IDS, "labels": LABELS[:, 1:]}, r"labels has shape \(4, 4\), expected \(4, 5\)"),
    ({"input_ids": INPUT_IDS, "labels": LABELS / 1}, "labels must be integers, got float64"),
    ({"input_ids": INPUT_IDS, "state": (None,)}, "the state has 1 entries, and the model 2 layers"),
    ({"input_ids": INPUT_IDS + 5}, "id 12 at .* is outside the table of 11 rows"),
])
def test_wrong_input(given, message):
    with pytest.raises(ValueError, match=message):
        model("LSTMLanguageModel").forward(**given)


def test_backward_needs_a_loss():
    language_model = model("RNNLanguageModel")
    _, cache = language_model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match="no loss to go back from: give forward labels"):
        language_model.backward(cache)


@pytest.mark.parametrize("config, changes, message", [
    (mb.LSTMConfig, {"hidden_size": 0}, "hidden_size must be a positive integer, got 0"),
    (mb.LSTMConfig, {"num_hidden_layers": True}, "num_hidden_layers must be a positive integer"),
    (mb.LSTMConfig, {"hidden_dropout_prob": 1.0}, "hidden_dropout_prob must be at least 0 and below 1"),
    (mb.LSTMConfig, {"initializer_range": 0.0}, "initializer_range must be above 0"),
    (mb.LSTMConfig, {"tie_word_embeddings": True}, "a tied decoder needs .* equal, got 3 and 2"),
    (mb.AWDLSTMConfig, {"weight_dropout_prob": -0.1}, "weight_dropout_prob must be at least 0"),
])
def test_wrong_sizes(config, changes, message):
    with pytest.raises(ValueError, match=message):
        config(**{**SIZES, **changes})
