"""ELECTRA: who is trained by what, samples, shared embeddings; checkpoints; wrong use."""

import json

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, A, B, F, H, T, V, grads, scrambled

import minibert as mb
from minibert import huggingface
from minibert.gradcheck.cases import electra as cases
from minibert.huggingface import CheckpointError
from minibert.models.electra import RTD_WEIGHT, BinaryCrossEntropy, sample

E, LABELS, SAMPLED, TOKEN_TYPES = cases.E, cases.LABELS, cases.SAMPLED, cases.TOKEN_TYPES
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TEXT = {"input_ids": INPUT_IDS, "token_type_ids": TOKEN_TYPES, "attention_mask": ATTENTION_MASK}
GIVEN = TEXT | {"labels": LABELS, "sampled_ids": SAMPLED}
IS_PREDICTED, IS_TOKEN = LABELS != -100, ATTENTION_MASK == 1


def make(model_class, dtype=np.float64, **changes):
    return scrambled(model_class(cases.config(**NO_DROPOUT | changes), dtype=dtype))


def make_pair(dtype=np.float64):
    small = mb.ElectraForMaskedLM(cases.config(**NO_DROPOUT | cases.SMALL), dtype=dtype)
    return scrambled(mb.ElectraPair(small, mb.ElectraForPreTraining(cases.config(**NO_DROPOUT), dtype=dtype)))


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def gradients(pair, d_loss):
    _, cache = pair.forward(**GIVEN)
    pair.zero_grad()
    pair.backward(cache, d_loss)
    return grads(pair)


# --- who is trained by what ---


def test_no_gradient_goes_from_the_discriminator_to_the_generators_body(pair):
    """Exactly 0, at every entry; the shared embeddings get one, and so does all of the discriminator."""
    found = gradients(pair, {"mlm": 0.0, "rtd": 1.0})
    for name, gradient in found.items():
        is_own = name.startswith("generator.") and ".embeddings." not in name
        assert gradient.any() != is_own or name.endswith(".key.bias"), name  # a key bias has none anyway


def test_no_gradient_goes_from_the_generator_to_the_discriminator(pair):
    found = gradients(pair, {"mlm": 1.0, "rtd": 0.0})
    for name, gradient in found.items():
        assert gradient.any() != name.startswith("discriminator.") or name.endswith(".key.bias"), name


def test_the_embeddings_get_the_sum_of_both(pair):
    """The gradient of each model by itself, on the texts that each reads."""
    generator, discriminator = make_pair().generator, make_pair().discriminator
    both = gradients(pair, 1.0)
    output, _ = pair.forward(**GIVEN)
    for model, given, weight in (
        (generator, TEXT | {"labels": LABELS}, 1.0),
        (discriminator, TEXT | {"input_ids": output.sampled_ids, "labels": output.is_replaced}, RTD_WEIGHT),
    ):
        _, cache = model.forward(**given)
        model.zero_grad()
        model.backward(cache, weight)
    for name, gradient in grads(generator).items():
        if name.startswith("electra.embeddings."):
            total = gradient + grads(discriminator)[name]
            np.testing.assert_allclose(both[f"generator.{name}"], total, rtol=1e-12, atol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(both[f"generator.{name}"], gradient, err_msg=name)


def test_the_embeddings_are_one_and_the_rest_is_not(pair):
    ours, theirs = pair.generator.electra, pair.discriminator.electra
    names = ["token.weight", "position.weight", "segment.weight", "norm.gamma", "norm.beta"]
    for name in names:
        assert ours.embeddings.parameters()[name] is theirs.embeddings.parameters()[name]
    counted = len(pair.generator.parameters()) + len(pair.discriminator.parameters()) - len(names)
    assert len(pair.parameters()) == counted
    copied = pair.replica()
    ours, theirs = copied.generator.electra, copied.discriminator.electra
    assert ours.embeddings.token.weight is theirs.embeddings.token.weight


# --- what the discriminator reads ---


def test_the_text_that_the_discriminator_reads(pair):
    output, cache = pair.forward(**GIVEN)
    expected = np.where(IS_PREDICTED, SAMPLED, INPUT_IDS)
    assert np.array_equal(output.sampled_ids, expected)
    assert np.array_equal(cache.discriminator.electra.embeddings.token.ids, expected)
    assert np.array_equal(cache.generator.electra.embeddings.token.ids, INPUT_IDS)
    assert np.array_equal(output.is_replaced, IS_PREDICTED & (SAMPLED != LABELS))


def test_a_sample_that_is_right_counts_as_original(pair):
    """Also where [MASK] or another token was in its place."""
    output, _ = pair.forward(**GIVEN | {"sampled_ids": np.where(IS_PREDICTED, LABELS, 0)})
    assert not output.is_replaced.any()
    assert np.array_equal(output.sampled_ids, np.where(IS_PREDICTED, LABELS, INPUT_IDS))


def test_the_losses(pair):
    output, _ = pair.forward(**GIVEN)
    everything, _ = pair.discriminator.forward(output.sampled_ids, TOKEN_TYPES, ATTENTION_MASK)
    assert everything.loss is None and everything.logits.shape == (B, T) and everything.counts == {}
    logits, answers = everything.logits[IS_TOKEN], output.is_replaced[IS_TOKEN]
    np.testing.assert_allclose(output.replaced_logits, logits, rtol=0, atol=1e-12)
    loss = np.logaddexp(0, np.where(answers == 1, -logits, logits)).mean()  # −log σ(x) or −log σ(−x)
    np.testing.assert_allclose(output.rtd_loss, 50 * loss, rtol=1e-12)
    words, _ = pair.generator.forward(**TEXT, labels=LABELS)
    assert output.mlm_loss == words.loss and np.array_equal(output.prediction_logits, words.logits)
    assert output.loss == output.mlm_loss + output.rtd_loss
    assert output.counts == {"mlm": IS_PREDICTED.sum(), "rtd": IS_TOKEN.sum()}


def test_samples_follow_the_generators_probabilities():
    """χ² of 40,000 draws beside softmax(logits), for a row with a likely token and a flat one."""
    logits = np.array([[0.0, 3.0, -1.0, 1.0, -2.0], [0.1, 0.0, 0.2, -0.1, 0.0]])
    rng, count = np.random.default_rng(3), 40_000
    draws = sample(np.repeat(logits, count, axis=0), rng).reshape(2, count)
    for row, drawn in zip(logits, draws):
        probs = np.exp(row) / np.exp(row).sum()
        found = np.bincount(drawn, minlength=5)
        statistic = ((found - count * probs) ** 2 / (count * probs)).sum()
        assert statistic < 18.5  # 99.9 % of the values of χ² with four degrees of freedom


def test_samples_come_from_rng(pair):
    outputs = [pair.forward(**TEXT, labels=LABELS, rng=np.random.default_rng(k))[0] for k in (1, 1, 2)]
    texts = [output.sampled_ids for output in outputs]
    assert np.array_equal(texts[0], texts[1]) and not np.array_equal(texts[0], texts[2])
    assert np.array_equal(texts[0][~IS_PREDICTED], INPUT_IDS[~IS_PREDICTED])


def test_padding_is_not_asked():
    model = make(mb.ElectraForPreTraining)
    labels = np.ones((B, T), int)
    output, _ = model.forward(**TEXT, labels=labels)
    same, _ = model.forward(**TEXT, labels=np.where(IS_TOKEN, 1, -100))
    assert output.counts == {"rtd": IS_TOKEN.sum()} and output.loss == same.loss
    per_query = np.broadcast_to(ATTENTION_MASK[:, np.newaxis], (B, T, T))
    everything, _ = model.forward(INPUT_IDS, TOKEN_TYPES, per_query, labels)
    assert everything.counts == {"rtd": B * T}  # such a mask does not say which tokens are padding


def test_binary_cross_entropy_of_large_logits():
    logits, labels = np.array([800.0, -800.0, 800.0, -800.0]), np.array([1, 0, 0, 1])
    layer = BinaryCrossEntropy()
    with np.errstate(all="raise", under="ignore"):
        loss, cache = layer.forward(logits, labels)
        d_logits, _ = layer.backward(1.0, cache)
    assert loss == 400.0 and np.array_equal(d_logits, [0, 0, 0.25, -0.25])


def test_nothing_to_tell_is_a_loss_of_zero():
    output, _ = make(mb.ElectraForPreTraining).forward(**TEXT, labels=np.full((B, T), -100))
    assert output.loss == 0 and output.counts == {"rtd": 0} and output.logits.shape == (0,)


# --- checkpoints ---


@pytest.mark.parametrize("name", ["ElectraModel", "ElectraForMaskedLM", "ElectraForPreTraining"])
def test_a_checkpoint_comes_back(name, tmp_path):
    model = make(getattr(mb, name), np.float32)
    model.save_pretrained(tmp_path)
    again = getattr(mb, name).from_pretrained(tmp_path)
    assert again.config == model.config
    for key, parameter in model.parameters().items():
        np.testing.assert_array_equal(parameter.value, again.parameters()[key].value, strict=True)
    content = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert content["model_type"] == "electra" and content["embedding_size"] == E
    shapes = {key: array.shape for key, array in huggingface.state_dict(model).items()}
    assert shapes[f"{'' if name == 'ElectraModel' else 'electra.'}embeddings_project.weight"] == (H, E)
    own = {
        "ElectraForMaskedLM": {"generator_predictions.dense.weight": (E, H), "generator_lm_head.bias": (V,)},
        "ElectraForPreTraining": {"discriminator_predictions.dense_prediction.weight": (1, H)},
    }
    assert own.get(name, {}).items() <= shapes.items() and len(shapes) == len(model.parameters())


def test_one_size_needs_no_projection(tmp_path):
    model = make(mb.ElectraForPreTraining, np.float32, embedding_size=H)
    assert not any("projection" in name for name in model.parameters())
    model.save_pretrained(tmp_path)
    again = mb.ElectraForPreTraining.from_pretrained(tmp_path)
    assert len(huggingface.state_dict(again)) == len(model.parameters())


def test_a_pair_comes_back_and_its_folder_is_a_discriminator(tmp_path):
    model = make_pair(np.float32)
    model.save_pretrained(tmp_path)
    again = mb.ElectraPair.from_pretrained(tmp_path)
    for key, parameter in model.parameters().items():
        np.testing.assert_array_equal(parameter.value, again.parameters()[key].value, strict=True)
    alone = mb.ElectraForPreTraining.from_pretrained(tmp_path)
    one, other = (each.forward(**TEXT)[0].logits for each in (alone, model.discriminator))
    assert np.array_equal(one, other)
    wide = mb.ElectraPair.from_pretrained(tmp_path, np.float64)
    assert {parameter.value.dtype for parameter in wide.parameters().values()} == {np.dtype(np.float64)}
    mb.ElectraForPreTraining(model.config).save_pretrained(tmp_path / "alone")
    with pytest.raises(CheckpointError, match="generator.config.json does not exist"):
        mb.ElectraPair.from_pretrained(tmp_path / "alone")


def test_a_folder_without_a_whole_generator_is_no_finished_model(tmp_path):
    """config.json tells a finished model, so what is written after it would be missing after a kill."""
    (tmp_path / "generator").write_text("in the way")
    with pytest.raises(OSError):
        make_pair(np.float32).save_pretrained(tmp_path)
    assert not (tmp_path / "config.json").exists()


# --- wrong use ---


def test_embeddings_of_two_sizes_cannot_be_shared():
    small = mb.ElectraForMaskedLM(cases.config(embedding_size=4))
    with pytest.raises(ValueError, match="give both the same vocab_size, embedding_size"):
        mb.ElectraPair(small, mb.ElectraForPreTraining(cases.config()))
    with pytest.raises(ValueError, match="embedding_size must be a positive integer, got 0"):
        mb.ElectraConfig(V, H, 2, A, F, embedding_size=0)


@pytest.mark.parametrize("changes, message", [
    ({"sampled_ids": None}, "give rng, to draw the tokens that fill the masks, or sampled_ids"),
    ({"labels": None}, "ELECTRA needs labels"),
    ({"sampled_ids": np.zeros((B, T + 1), int)}, r"sampled_ids has shape \(4, 6\), expected \(4, 5\)"),
    ({"labels": np.zeros((B, T))}, "labels must be integers, got float64"),
    ({"attention_mask": ATTENTION_MASK[:, np.newaxis, np.newaxis]},
     r"attention_mask has shape \(4, 1, 1, 5\), expected \(4, 5\): ELECTRA asks about every"),
])
def test_wrong_arguments_of_a_pair(pair, changes, message):
    with pytest.raises(ValueError, match=message):
        pair.forward(**GIVEN | changes)


def test_wrong_labels_of_a_discriminator():
    model = make(mb.ElectraForPreTraining)
    with pytest.raises(ValueError, match="labels must hold 0 for an original token, 1 for a replaced one"):
        model.forward(INPUT_IDS, labels=np.full((B, T), 2))
    _, cache = model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match="there is no loss to go back from: give forward labels"):
        model.backward(cache)
