"""XLNet beside transformers; needs `pip install -e ".[test,reference]"`."""

import os
import types
import warnings

import numpy as np
import pytest
import xlnet_reference
from test_stored import assert_gradients_equal

import minibert
from minibert.objectives.xlnet_fine_tuning import XLNetFineTuning
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples
from minibert.training import run

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)


def pair(name, tmp_path, scale, seed, **config):
    """A model of transformers, and ours that reads its checkpoint."""
    theirs = xlnet_reference.torch_model(name, scale, seed, **config)
    theirs.save_pretrained(tmp_path)
    return theirs, getattr(minibert, name).from_pretrained(tmp_path)


def gradients_of(model):
    return {
        key: np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        for key, parameter in model.named_parameters()
    }


@pytest.mark.parametrize("seed", range(6))
def test_outputs_states_and_every_gradient_of_random_models(seed, tmp_path):
    """Two batches: the second is given the state of the first; of every other model three tokens of it."""
    rng = np.random.default_rng(seed)
    num_heads = int(rng.integers(1, 5))
    sizes = {
        "vocab_size": int(rng.integers(10, 60)), "n_head": num_heads,
        "d_model": 2 * num_heads * int(rng.integers(1, 5)), "n_layer": int(rng.integers(1, 4)),
        "ff_activation": ["gelu", "gelu_new", "relu"][seed % 3], "mem_len": [None, 3][seed % 2],
    }
    theirs, ours = pair("XLNetLMHeadModel", tmp_path, [0.02, 0.3, 1.0][seed % 3], seed, **sizes)
    state = mems = None
    for _ in range(2):
        batch = xlnet_reference.random_batch(rng, vocab_size=sizes["vocab_size"])
        if seed == 4:
            del batch["token_type_ids"]
        theirs.zero_grad()
        ours.zero_grad()
        expected = xlnet_reference.run(theirs, batch, mems=mems)
        expected.loss.backward()
        output, cache = ours.forward(**batch, state=state)
        ours.backward(cache)
        assert abs(output.loss - expected.loss.item()) <= 1e-10
        predicted = batch["labels"] != -100
        assert np.abs(output.logits - expected.logits.detach().numpy()[predicted]).max() <= 1e-10
        for one, other in zip(output.state, xlnet_reference.memory_of(expected), strict=True):
            assert np.abs(one - other).max() <= 1e-10
        assert_gradients_equal(ours, gradients_of(theirs))
        state, mems = output.state, expected.mems


def test_a_causal_mask_is_attn_type_uni(tmp_path):
    theirs, ours = pair("XLNetLMHeadModel", tmp_path, 0.5, 3)
    batch = xlnet_reference.random_batch(np.random.default_rng(3))
    given = {name: batch[name] for name in ("input_ids", "token_type_ids")}
    theirs.transformer.attn_type = "uni"
    expected = xlnet_reference.run(theirs, given).logits.detach().numpy()
    num_tokens = xlnet_reference.NUM_TOKENS
    perm_mask = np.triu(np.ones((xlnet_reference.BATCH_SIZE, num_tokens, num_tokens), int), 1)
    output, _ = ours.forward(**given, perm_mask=perm_mask)
    assert np.abs(output.logits - expected).max() <= 1e-10


def test_where_a_target_sees_nothing_transformers_lets_it_see_everything(tmp_path):
    """And itself: the first target of a whole order knows its token. Ours knows nothing (see apex#1390)."""
    theirs, ours = pair("XLNetLMHeadModel", tmp_path, 0.5, 3)
    ids = np.array([[3, 8, 5], [3, 9, 5]])  # they differ in the token that is predicted
    batch = {
        "input_ids": ids, "perm_mask": np.ones((2, 3, 3), np.int64),
        "target_mapping": np.tile([[0, 1, 0]], (2, 1, 1)),
    }
    output, _ = ours.forward(**batch)
    assert np.array_equal(output.logits[0], output.logits[1])
    expected = xlnet_reference.run(theirs, batch).logits.detach().numpy()
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    assert np.abs(expected - output.logits).max() > 0.1


@pytest.mark.parametrize("num_labels", [1, 3])
def test_classification(num_labels, tmp_path):
    """With padding on the left: transformers takes the state of the last column, whatever it holds."""
    theirs, ours = pair("XLNetForSequenceClassification", tmp_path, 0.5, 4, num_labels=num_labels)
    batch = xlnet_reference.random_batch(np.random.default_rng(5))
    given = {name: batch[name][::2] for name in ("input_ids", "token_type_ids", "attention_mask")}
    labels = np.array([2, 0, 1]) if num_labels > 1 else np.array([0.5, -1.0, 2.0])
    expected = xlnet_reference.run(theirs, {**given, "labels": labels})
    expected.loss.backward()
    output, cache = ours.forward(**given, labels=labels)
    ours.backward(cache)
    assert np.abs(output.logits - expected.logits.detach().numpy()).max() <= 1e-10
    assert abs(output.loss - expected.loss.item()) <= 1e-10
    assert_gradients_equal(ours, gradients_of(theirs))


@pytest.mark.parametrize("name", ["XLNetModel", "XLNetLMHeadModel", "XLNetForSequenceClassification"])
def test_transformers_opens_ours_and_ours_opens_that(name, tmp_path, capfd):
    """Without a warning, and back again to the same bits."""
    config = minibert.XLNetConfig(50, 24, 2, 3, 40, hidden_act="gelu_new", memory_length=5, pad_token_id=0)
    ours = getattr(minibert, name)(config, seed=4)
    ours.save_pretrained(tmp_path / "ours")
    theirs_class = getattr(transformers, name)  # imports its module, which is not what is tested
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs, info = theirs_class.from_pretrained(
            tmp_path / "ours", output_loading_info=True, dtype=torch.float32)
    assert not any(info.values()), info
    assert "warn" not in capfd.readouterr().err.lower()
    assert (theirs.config.mem_len, theirs.config.ff_activation, theirs.config.dropout) == (5, "gelu_new", 0.1)
    theirs.save_pretrained(tmp_path / "theirs")
    again = getattr(minibert, name).from_pretrained(tmp_path / "theirs")
    assert again.config.hidden_size == 24 and again.config.memory_length == 5
    for key, parameter in ours.parameters().items():
        assert np.array_equal(parameter.value, again.parameters()[key].value), key


def test_transformers_gives_the_answers_of_a_fine_tuned_model(tmp_path):
    """It reads the folder, with the names of the labels, and the batches as they are, padding included."""
    tokenizer = TOY.tokenizer()
    config = minibert.XLNetConfig(
        tokenizer.vocab_size, hidden_size=12, num_attention_heads=3, initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id)
    minibert.XLNetLMHeadModel(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    for name, number, seed in (("train", 24, 1), ("dev", 12, 2)):
        text = as_file("same opinion", examples(TOY, "same opinion", number, seed))
        (tmp_path / f"{name}.tsv").write_text(text)
    recipe = XLNetFineTuning.Recipe.of(
        start=str(tmp_path / "start"), task="pairs", train=str(tmp_path / "train.tsv"),
        dev=str(tmp_path / "dev.tsv"), epochs=2, batch_size=6)
    _, training = run.begin(tmp_path / "run", XLNetFineTuning, recipe, say=lambda line: None)
    theirs, info = transformers.XLNetForSequenceClassification.from_pretrained(
        tmp_path / "run", output_loading_info=True)
    assert not any(info.values()), info
    assert list(theirs.config.id2label.values()) == training.objective.labels
    body = theirs.double().eval().transformer
    body.relative_positional_encoding = types.MethodType(xlnet_reference.positions, body)
    ours = minibert.XLNetForSequenceClassification.from_pretrained(tmp_path / "run", dtype=np.float64)
    held_out = training.objective.held_out_rows
    batch = held_out.of(held_out.by_length, 21)._asdict()
    assert (batch["attention_mask"] == 0).any()
    expected = xlnet_reference.run(theirs, batch)
    output, _ = ours.forward(**batch)
    assert np.abs(output.logits - expected.logits.detach().numpy()).max() <= 1e-10
    assert abs(output.loss - expected.loss.item()) <= 1e-10
